import { BuildError, type BytePath, parentOf, textOfPath } from '../../core/index.ts';
import type { LayerDraft } from './layer-draft.ts';
import type { Owner } from './ownership.ts';
import { type ResolveOptions, resolveInRoot } from './resolve-in-root.ts';

/** Metadata of directories that are made on the way. */
export interface DirectoryMetadata {
  readonly mode: number;
  readonly owner: Owner;
  /** Seconds since the epoch. */
  readonly mtime: number;
}

/**
 * Makes a directory and its missing parents, symlinks followed inside the scope; what exists is left alone. Returns where the
 * directory is.
 *
 * @throws BuildError `COPY_CONFLICT` when something on the way is no directory.
 */
export function makeDirectories(
  draft: LayerDraft,
  path: BytePath,
  options: DirectoryMetadata & Pick<ResolveOptions, 'scope'>,
): BytePath {
  const target = resolveInRoot(draft, path, options).path;
  const missing: BytePath[] = [];
  for (let at = target; at !== ''; at = parentOf(at)) {
    const entry = draft.stat(at);
    if (entry?.type === 'directory') break;
    if (entry !== undefined) throw notDirectory(at);
    missing.push(at);
  }
  for (const at of missing.reverse()) {
    const { mode, owner, mtime } = options;
    draft.set({ entry: { path: at, type: 'directory', mode, uid: owner.uid, gid: owner.gid, sizeBytes: 0, mtime } });
  }
  return target;
}

/** The error for a directory that would have to be where something else is. */
export function notDirectory(path: BytePath): BuildError {
  return new BuildError(
    'COPY_CONFLICT',
    `A directory cannot be made at "/${textOfPath(path)}": there is something else.`,
    {
      hint: 'Choose another destination, or remove what is there in an earlier step. If it is a link to a directory, copy into that directory.',
    },
  );
}
