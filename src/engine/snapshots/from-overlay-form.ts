import type { Entry, FileTree, TarEntry, Whiteout } from '../../archive/index.ts';
import { type BytePath, baseNameOf, parentOf } from '../../core/index.ts';
import { isOpaqueEntry, isWhiteoutEntry, withPortableAttributes } from './overlay-form.ts';

/** A member of the layer to be written; `member` brings a file's content. */
export type ChangedItem = { readonly entry: Entry; readonly member: TarEntry } | Whiteout;

/**
 * Turns the archive of an overlay's upper directory into the items of a layer. Deletions become whiteouts, where the parents
 * have the name at all; an opaque directory becomes a whiteout for everything in it that is gone, since readers agree about
 * those.
 */
export async function* fromOverlayForm(
  members: AsyncIterable<TarEntry>,
  parents: FileTree,
): AsyncGenerator<ChangedItem, void, undefined> {
  const whiteouts = new Set<BytePath>();
  /** Directories that hide the parents' content, with the names that are there anew. */
  const replaced = new Map<BytePath, Set<BytePath>>();
  for await (const member of members) {
    const { entry } = member;
    if (entry.path === '') continue;
    const parent = parentOf(entry.path);
    // The kernel links all whiteouts of a mount to one file, so the archive has most of them as hard links.
    if (isWhiteoutEntry(entry) || (entry.type === 'hardlink' && whiteouts.has(entry.linkTarget ?? ''))) {
      whiteouts.add(entry.path);
      if (!replaced.has(parent) && parents.stat(entry.path) !== undefined) yield { whiteout: entry.path };
      continue;
    }
    replaced.get(parent)?.add(baseNameOf(entry.path));
    if (
      entry.type === 'directory' &&
      (isOpaqueEntry(entry) || replaced.has(parent)) &&
      isDirectory(parents, entry.path)
    ) {
      replaced.set(entry.path, new Set());
    }
    yield { entry: withPortableAttributes(entry), member };
  }
  yield* vanished(replaced, parents);
}

function isDirectory(tree: FileTree, path: BytePath): boolean {
  return tree.stat(path)?.type === 'directory';
}

function* vanished(replaced: ReadonlyMap<BytePath, ReadonlySet<BytePath>>, parents: FileTree): Generator<Whiteout> {
  for (const [directory, names] of replaced) {
    for (const name of parents.list(directory)) {
      if (!names.has(name)) yield { whiteout: directory === '' ? name : `${directory}/${name}` };
    }
  }
}
