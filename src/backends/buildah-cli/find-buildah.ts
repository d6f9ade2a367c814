import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Env } from '../selection/host-facts.ts';

const USUAL_DIRECTORIES = ['/usr/bin', '/usr/local/bin', '/bin', '/usr/local/lib/zlayer', '/opt/homebrew/bin'];

/** Where buildah is looked for, in order: the data directory, `PATH`, the usual places. */
export function buildahCandidates({
  dataDir,
  env,
}: {
  readonly dataDir: string;
  readonly env: Env;
}): readonly string[] {
  const onPath = (env['PATH'] ?? '').split(':').filter((directory) => directory.startsWith('/'));
  const directories = [join(dataDir, 'bin'), ...onPath, ...USUAL_DIRECTORIES];
  return [...new Set(directories.map((directory) => join(directory, 'buildah')))];
}

/** The first candidate that is an executable file. */
export async function findExecutable(candidates: readonly string[]): Promise<string | undefined> {
  for (const path of candidates) if (await isExecutable(path)) return path;
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    if (!(await stat(path)).isFile()) return false;
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
