import { type Entry, type FileTree, type LayerItem, walkTree } from '../../archive/index.ts';
import type { BytePath } from '../../core/index.ts';

/** A part of a tree, and what it becomes. */
export interface Subtree {
  readonly tree: FileTree;
  readonly from: BytePath;
  /** The name that `from` gets; `''` puts the content of a directory at the root. */
  readonly as: BytePath;
  /** Everything belongs to 0:0. */
  readonly ownerless: boolean;
}

/** A part of a tree as items to be unpacked: names below `from` appear below `as`, hard links stay links. */
export function* subtreeItems({ tree, from, as, ownerless }: Subtree): Generator<LayerItem> {
  const firstNames = new Map<string, BytePath>();
  for (const found of walkTree(tree, from)) {
    const rest = found.path.slice(from.length).replace(/^\//, '');
    const path = [as, rest].filter((part) => part !== '').join('/');
    if (path === '') continue;
    const linkId = found.type === 'directory' ? undefined : tree.linkId(found.path);
    const first = linkId === undefined ? undefined : firstNames.get(linkId);
    const entry: Entry = { ...found, path, ...(ownerless ? { uid: 0, gid: 0 } : {}) };
    if (linkId !== undefined && first === undefined) firstNames.set(linkId, path);
    if (first !== undefined) yield { entry: { ...entry, type: 'hardlink', sizeBytes: 0, linkTarget: first } };
    else if (entry.type === 'file' && entry.sizeBytes > 0) yield { entry, content: tree.content(found.path) };
    else yield { entry };
  }
}
