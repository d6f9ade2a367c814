import { type Entry, type FileTree, readTar } from '../../archive/index.ts';
import { type BytePath, parentOf } from '../../core/index.ts';
import { type FileTime, type ListedFile, listFiles } from '../exec/list-files.ts';
import type { WorkingKind } from '../exec/namespace.ts';
import type { ChangedItem } from './from-overlay-form.ts';
import { withPortableAttributes } from './overlay-form.ts';
import { archiveFiles } from './tar-process.ts';

/** A directory that began as a copy of a stack of layers. */
export interface ChangedTree {
  readonly kind: WorkingKind;
  readonly directory: string;
  /** What has a later status time is new or changed. */
  readonly sinceNs: bigint;
  /** Names that were there for a moment, and left a mark on their directories. */
  readonly madePaths: readonly BytePath[];
}

/**
 * What was changed in a tree since it was a copy of its parents, as the items of a layer: in the order and with the parent
 * directories that an overlay gives, so that the same changes are the same layer.
 */
export async function* changesOfTree(
  tree: ChangedTree,
  parents: FileTree,
  signal: AbortSignal,
): AsyncGenerator<ChangedItem, void, undefined> {
  const files = await listTree(tree, signal);
  const removed = [...removedPaths(parents, files)].sort(byPlace);
  const marked = new Set(tree.madePaths.map(parentOf));
  const wanted = new Set<BytePath>();
  const want = (path: BytePath): void => {
    if (path === '' || wanted.has(path)) return;
    wanted.add(path);
    want(parentOf(path));
  };
  for (const path of removed) want(parentOf(path));
  for (const [path, file] of files) {
    if (file.letter === 's' || !isLater(file.changed, tree.sinceNs)) continue;
    if (file.letter !== 'd' || !marked.has(path) || !isSameDirectory(file, parents.stat(path))) want(path);
  }
  let whiteouts = 0;
  const paths = [...wanted].sort(byPlace);
  if (paths.length > 0) {
    for await (const member of readTar(archiveFiles({ ...tree, paths, links: 'kept' }, signal))) {
      const { path } = member.entry;
      while (whiteouts < removed.length && byPlace(removed[whiteouts]!, path) < 0) {
        yield { whiteout: removed[whiteouts++]! };
      }
      yield { entry: withPortableAttributes(member.entry), member };
    }
  }
  for (const path of removed.slice(whiteouts)) yield { whiteout: path };
}

/** The order in which a walk meets names: a directory before what is in it, and that before what follows the directory. */
function byPlace(a: BytePath, b: BytePath): number {
  const [first, second] = [a.replaceAll('/', '\0'), b.replaceAll('/', '\0')];
  if (first === second) return 0;
  return first < second ? -1 : 1;
}

/** The topmost names that are gone. */
function* removedPaths(
  parents: FileTree,
  files: ReadonlyMap<BytePath, ListedFile>,
  directory: BytePath = '',
): Generator<BytePath> {
  for (const name of parents.list(directory)) {
    const path = directory === '' ? name : `${directory}/${name}`;
    const file = files.get(path);
    if (file === undefined) {
      // Without real root there are no devices, and nobody has removed them.
      if (!isDevice(parents.stat(path))) yield path;
    } else if (file.letter === 'd') {
      yield* removedPaths(parents, files, path);
    }
  }
}

function isDevice(entry: Entry | undefined): boolean {
  return entry?.type === 'char' || entry?.type === 'block';
}

function isSameDirectory(file: ListedFile, before: Entry | undefined): boolean {
  return (
    before?.type === 'directory' &&
    before.mode === file.mode &&
    before.uid === file.uid &&
    before.gid === file.gid &&
    Math.floor(before.mtime) === file.modified.seconds
  );
}

async function listTree(tree: ChangedTree, signal: AbortSignal): Promise<Map<BytePath, ListedFile>> {
  const files = new Map<BytePath, ListedFile>();
  for await (const file of listFiles(tree, signal)) if (file.path !== '') files.set(file.path, file);
  return files;
}

function isLater({ seconds, nanoseconds }: FileTime, sinceNs: bigint): boolean {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds) > sinceNs;
}
