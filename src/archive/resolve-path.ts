import { BuildError, type BytePath, textOfPath } from '../core/index.ts';
import type { FileTree } from './entry.ts';

export interface ResolvePathOptions {
  /** Whether a symlink at the very end is followed too. */
  readonly followLast: boolean;
}

/** As many as Linux follows (path_resolution(7)). */
const MAX_SYMLINKS = 40;

/**
 * The place in a tree that a path leads to: symlinks are resolved inside the tree, whose root neither `..` nor an absolute
 * target leaves. `path` may have a leading slash, `.` and `..` parts. Parts that do not exist are kept as they are.
 *
 * @throws BuildError `SYMLINK_LOOP` after 40 symlinks.
 */
export function resolvePath(tree: Pick<FileTree, 'stat'>, path: BytePath, options: ResolvePathOptions): BytePath {
  const pending = path.split('/').reverse();
  let resolved: BytePath[] = [];
  let followed = 0;
  while (pending.length > 0) {
    const part = pending.pop()!;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      resolved.pop();
      continue;
    }
    const candidate = resolved.length === 0 ? part : `${resolved.join('/')}/${part}`;
    const isLast = !pending.some((rest) => rest !== '' && rest !== '.');
    const entry = isLast && !options.followLast ? undefined : tree.stat(candidate);
    if (entry?.type !== 'symlink') {
      resolved.push(part);
      continue;
    }
    if (++followed > MAX_SYMLINKS) {
      throw new BuildError(
        'SYMLINK_LOOP',
        `"/${textOfPath(path)}" leads through more than ${MAX_SYMLINKS} symbolic links.`,
        {
          hint: 'One of the links points at itself, directly or through others.',
        },
      );
    }
    const target = entry.linkTarget ?? '';
    if (target.startsWith('/')) resolved = [];
    pending.push(...target.split('/').reverse());
  }
  return resolved.join('/');
}
