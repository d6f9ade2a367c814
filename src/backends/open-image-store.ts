import type { RunContext } from '../core/index.ts';
import { removeSnapshotTree } from '../engine/index.ts';
import { openStore, resolveDataDir, type Store } from '../store/index.ts';

/** The image store at a path, or that of this user. */
export async function openImageStore(dataDir: string | undefined, context: RunContext): Promise<Store> {
  return openStore({
    root: dataDir ?? resolveDataDir(process.env, process.getuid?.() ?? 0),
    removeTree: (path) => removeSnapshotTree(path, context),
  });
}
