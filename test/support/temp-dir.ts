import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from './process.ts';
import { mountsBelow } from './process-tree.ts';

/** A fresh directory outside the project. Its path is short: unix sockets and overlay options lie below it. */
export function makeTempDir(prefix: string, folder = tmpdir()): string {
  return mkdtempSync(join(folder, `zlt-${prefix}-`));
}

/** A folder on a disk where the whole run has its temporary directory in memory: `ZLAYER_TEST_DISK`. */
export function diskFolder(): string {
  return process.env.ZLAYER_TEST_DISK ?? tmpdir();
}

/**
 * Removes a directory that may hold files of mapped users (rootless stores), which only their namespace can remove, and
 * mounts of a buildah whose build failed.
 */
export async function removeTempDir(path: string): Promise<void> {
  for (const target of [...mountsBelow(path)].reverse()) await runProgram(['umount', target]);
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 2 });
  } catch {
    const namespace = ['unshare', '--user', '--map-root-user', '--map-auto'];
    await runProgram([...namespace, 'chmod', '-R', 'u+rwx', path]);
    await runProgram([...namespace, 'rm', '-rf', path]);
  }
}
