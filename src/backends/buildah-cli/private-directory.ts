import { access, constants, statfs } from 'node:fs/promises';
import type { Env } from '../selection/host-facts.ts';

/** Magic numbers of file systems in memory (statfs(2)): tmpfs, ramfs. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** A directory for secrets: one in memory that this user may write to, where the host has one, else `fallback`. */
export async function privateParent(env: Env, fallback: string): Promise<string> {
  for (const path of [env['XDG_RUNTIME_DIR'], '/dev/shm']) {
    if (path !== undefined && path !== '' && (await isInMemory(path))) return path;
  }
  return fallback;
}

async function isInMemory(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK | constants.X_OK);
    return IN_MEMORY.has((await statfs(path)).type);
  } catch {
    return false;
  }
}
