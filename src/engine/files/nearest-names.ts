import type { FileTree } from '../../archive/index.ts';
import { type BytePath, baseNameOf, nearestWords, parentOf } from '../../core/index.ts';
import { resolveInRoot } from './resolve-in-root.ts';

const MAX_NAMES = 3;
const MAX_CANDIDATES = 2000;

/** Paths in the same directory whose names look like a path that is not there, the most similar first. */
export function nearestNames(tree: FileTree, path: BytePath): readonly BytePath[] {
  const parent = resolveInRoot(tree, parentOf(path));
  const names = parent.entry?.type === 'directory' ? tree.list(parent.path) : [];
  return nearestWords(baseNameOf(path), names, { maxWords: MAX_NAMES, maxCandidates: MAX_CANDIDATES }).map((name) =>
    parent.path === '' ? name : `${parent.path}/${name}`,
  );
}
