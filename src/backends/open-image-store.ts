import type { RunContext } from '../core/index.ts';
import { openStore, resolveDataDir, type Store } from '../store/index.ts';

/** The image store at a path, or that of this user. */
export async function openImageStore(dataDir: string | undefined, context: RunContext): Promise<Store> {
  return openStore({
    root: dataDir ?? resolveDataDir(process.env, process.getuid?.() ?? 0),
    removeTree: (path) => removeStoreTree(path, context),
  });
}

/** Removes a tree of a store that may hold files of a user namespace. */
export async function removeStoreTree(path: string, context: RunContext): Promise<void> {
  const { removeSnapshotTree } = await import('../engine/steps.ts');
  await removeSnapshotTree(path, context);
}
