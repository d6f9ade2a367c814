import type { BytePath } from '../core/index.ts';
import type { Entry, FileTree, LayerEntry } from './entry.ts';

/** Every entry of a tree below `from` (default the root), `from` itself first: parents before children, in byte order. */
export function* walkTree(tree: FileTree, from: BytePath = ''): Generator<Entry, void, undefined> {
  const entry = tree.stat(from);
  if (entry === undefined) return;
  yield entry;
  if (entry.type !== 'directory') return;
  for (const name of tree.list(from)) yield* walkTree(tree, from === '' ? name : `${from}/${name}`);
}

/**
 * A tree as items for a layer or a tar: the first name of a file comes with its content, its other names as hard links.
 * The root itself is left out.
 */
export function* layerEntriesOf(tree: FileTree): Generator<LayerEntry, void, undefined> {
  const firstNames = new Map<string, BytePath>();
  for (const entry of walkTree(tree)) {
    if (entry.path === '') continue;
    const linkId = entry.type === 'directory' ? undefined : tree.linkId(entry.path);
    const first = linkId === undefined ? undefined : firstNames.get(linkId);
    if (first !== undefined) {
      yield { entry: { ...entry, type: 'hardlink', sizeBytes: 0, linkTarget: first } };
      continue;
    }
    if (linkId !== undefined) firstNames.set(linkId, entry.path);
    yield entry.type === 'file' && entry.sizeBytes > 0 ? { entry, content: tree.content(entry.path) } : { entry };
  }
}
