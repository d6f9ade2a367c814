import type { Dirent } from 'node:fs';
import { chmod, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from './store-error.ts';

/**
 * Removes a tree of the caller's own files, among them directories that nobody may read (overlay's `work/work` has mode
 * 000). Files of other users below a directory of theirs stay, with an `EACCES`: that needs `StoreOptions.removeTree`.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOTEMPTY'].includes(systemCode(error) ?? '')) throw error;
    await openDirectories(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function openDirectories(path: string): Promise<void> {
  // Not for a symbolic link: chmod would follow it.
  const entries = await readdir(path, { withFileTypes: true }).catch(async (): Promise<readonly Dirent[]> => {
    await chmod(path, 0o700);
    return readdir(path, { withFileTypes: true });
  });
  await chmod(path, 0o700).catch(() => undefined);
  for (const entry of entries) {
    if (entry.isDirectory()) await openDirectories(join(path, entry.name));
  }
}
