import type { Difference } from './differences.ts';
import type { FileNode, FlatTree } from './flatten.ts';

export interface CompareTreesOptions {
  /**
   * Seconds since the epoch. Times from then on were made by the builds themselves, which ran at different moments: two of
   * them count as equal. A time before it is part of the input and must be the same on both sides. A directory's time is
   * compared only where both come from the input: a builder that writes into a live tree changes the time of every directory
   * in which it makes a name, one that writes layers straight does not, and the reference gives it the source's time.
   */
  readonly builtSince: number;
}

const FIELDS = ['kind', 'mode', 'uid', 'gid', 'size', 'sha256', 'link', 'device', 'linkGroup'] as const;

/** Compares two root file systems name by name: nothing that a tar can say of a file is left out. */
export function compareTrees(ours: FlatTree, theirs: FlatTree, options: CompareTreesOptions): readonly Difference[] {
  const paths = [...new Set([...ours.keys(), ...theirs.keys()])].sort();
  return paths.flatMap((path) => {
    const mine = ours.get(path);
    const other = theirs.get(path);
    if (mine !== undefined && other !== undefined) return compareNodes(path, [mine, other], options);
    return [{ path, field: 'presence', ours: mine?.kind ?? 'absent', theirs: other?.kind ?? 'absent' }];
  });
}

function compareNodes(
  path: string,
  [ours, theirs]: readonly [FileNode, FileNode],
  { builtSince }: CompareTreesOptions,
): readonly Difference[] {
  const differences: Difference[] = [];
  const compare = (field: string, mine: string, other: string): void => {
    if (mine !== other) differences.push({ path, field, ours: mine, theirs: other });
  };
  for (const field of FIELDS) compare(field, formatField(ours, field), formatField(theirs, field));
  compare('xattrs', JSON.stringify(ours.xattrs), JSON.stringify(theirs.xattrs));
  const made = [ours, theirs].filter(({ mtime }) => mtime >= builtSince).length;
  if (made === 0 || (made === 1 && ours.kind !== 'directory')) {
    compare('mtime', String(ours.mtime), String(theirs.mtime));
  }
  return differences;
}

function formatField(node: FileNode, field: (typeof FIELDS)[number]): string {
  if (field === 'mode') return `0${node.mode.toString(8)}`;
  if (field === 'link') return node.kind === 'symlink' ? node.link : '';
  if (field === 'linkGroup') return node.linkGroup.replaceAll('\n', ' ');
  return String(node[field]);
}
