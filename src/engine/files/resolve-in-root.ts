import { type Entry, type FileTree, resolvePath } from '../../archive/index.ts';
import type { BytePath } from '../../core/index.ts';

/** Where a path leads. It may name something that does not exist; the missing part is taken literally. */
export interface ResolvedPath {
  readonly path: BytePath;
  readonly entry: Entry | undefined;
}

export interface ResolveOptions {
  /** Directory that counts as the root: absolute link targets start there, `..` does not leave it. Default: the tree's root. */
  readonly scope?: BytePath | undefined;
  /** Whether a symlink at the very end is followed too; default true. */
  readonly followLast?: boolean;
}

/** `resolvePath` below a directory, with what is there. `path` is relative to the scope. */
export function resolveInRoot(
  tree: Pick<FileTree, 'stat'>,
  path: BytePath,
  { scope = '', followLast = true }: ResolveOptions = {},
): ResolvedPath {
  const inScope = (inner: BytePath): BytePath => (scope === '' ? inner : inner === '' ? scope : `${scope}/${inner}`);
  const resolved = inScope(resolvePath({ stat: (inner) => tree.stat(inScope(inner)) }, path, { followLast }));
  return { path: resolved, entry: tree.stat(resolved) };
}
