import type { BytePath } from '../core/index.ts';
import type { Entry, FileTree } from './entry.ts';
import { impliedDirectory } from './memory-tree.ts';
import type { Toc, TocNode } from './toc.ts';

/**
 * `stat` of a layer put on a tree, while members of the layer may still lie below symlinks of the tree: a name that the
 * layer only implies is what the tree has there.
 */
export function statOver(toc: Toc, below: Pick<FileTree, 'stat'>): (path: BytePath) => Entry | undefined {
  return (path) => {
    let node: TocNode = 0;
    let isHidden = false;
    for (const part of path === '' ? [] : path.split('/')) {
      isHidden ||= toc.isOpaque(node);
      const child = toc.child(node, part);
      if (child === undefined) return isHidden ? undefined : below.stat(path);
      isHidden ||= toc.isWhiteout(child);
      node = child;
    }
    if (toc.isDefined(node)) return toc.entry(node);
    const lower = isHidden ? undefined : below.stat(path);
    if (lower?.type === 'directory' || lower?.type === 'symlink') return lower;
    return toc.isImplied(node) || node === 0 ? impliedDirectory(path) : undefined;
  };
}
