import type { RunContext } from '../../core/index.ts';
import { removeTree } from '../exec/file-work.ts';

/**
 * Removes a tree of the store that may hold files of mapped users and directories that nobody may enter; made for
 * `StoreOptions.removeTree`. What this user may not remove itself is removed as root of its user namespace.
 */
export async function removeSnapshotTree(path: string, context: RunContext): Promise<void> {
  await removeTree(path, context.signal);
}
