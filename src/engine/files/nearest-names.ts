import type { FileTree } from '../../archive/index.ts';
import { type BytePath, baseNameOf, parentOf } from '../../core/index.ts';
import { resolveInRoot } from './resolve-in-root.ts';

const MAX_NAMES = 3;
/** Directories with more names are not compared: the message is not worth the time. */
const MAX_CANDIDATES = 2000;

/** Paths in the same directory whose names look like a path that is not there, the most similar first. */
export function nearestNames(tree: FileTree, path: BytePath): readonly BytePath[] {
  const parent = resolveInRoot(tree, parentOf(path));
  const wanted = baseNameOf(path).toLowerCase();
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  const names = parent.entry?.type === 'directory' ? tree.list(parent.path) : [];
  if (names.length > MAX_CANDIDATES) return [];
  return names
    .map((name) => ({ name, distance: editDistance(wanted, name.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, MAX_NAMES)
    .map(({ name }) => (parent.path === '' ? name : `${parent.path}/${name}`));
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from one text to the other. */
function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (previous[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      let best = Math.min(replaced, (previous[j] as number) + 1, (row[j - 1] as number) + 1);
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        best = Math.min(best, (before[j - 2] as number) + 1);
      }
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[to.length] as number;
}
