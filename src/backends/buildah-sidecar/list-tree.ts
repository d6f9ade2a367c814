import { type BytePath, bytesOfPath, type RunContext, throwIfCancelled } from '../../core/index.ts';
import { openLocalTree } from '../../engine/index.ts';
import { type MessageInput, TreeEntry_Type, type TreeEntrySchema } from '../../rpc/index.ts';
import type { Store } from '../../store/index.ts';
import type { ContextDirectory } from '../types.ts';

/** Where the bytes of a content are. */
export interface ContentFile {
  readonly path: string | Buffer;
  readonly sizeBytes: number;
}

type Entry = MessageInput<typeof TreeEntrySchema>;

/** A directory as it is offered: what its ignore rules leave of it. */
export interface ListedTree {
  /** In the order of the protocol; may be asked for again. */
  entries(): Iterable<Entry>;
  /** A file for each of some contents, by their sha256 in hex. */
  find(wanted: ReadonlySet<string>): ReadonlyMap<string, ContentFile>;
}

/** Files are hashed without a pause; between so many others get their turn, and a cancelled build ends. */
const FILES_AT_ONCE = 64;
const DIGEST_BYTES = 32;

/**
 * Lists a directory with the digests of its files. Those of unchanged files come from the store's cache. Messages are made
 * when they are sent: a tree of many files is kept as its paths and digests alone.
 *
 * @throws BuildError `CONTEXT_NOT_FOUND`, `CONTEXT_INVALID`, `CANCELLED`.
 */
export async function listTree(store: Store, directory: ContextDirectory, context: RunContext): Promise<ListedTree> {
  const opened = await openLocalTree({ env: { store } }, directory);
  const { tree } = opened;
  const paths = pathsOf(tree);
  const digests = Buffer.alloc(paths.length * DIGEST_BYTES);
  const firstNames = new Map<string, BytePath>();
  /** Names of files that have another name before, with that one. */
  const links = new Map<BytePath, BytePath>();
  let files = 0;
  for (const [index, path] of paths.entries()) {
    if (tree.stat(path)!.type !== 'file') continue;
    const linkId = tree.linkId(path);
    const first = linkId === undefined ? undefined : firstNames.get(linkId);
    if (first !== undefined) {
      links.set(path, first);
      continue;
    }
    if (linkId !== undefined) firstNames.set(linkId, path);
    digests.write(opened.fileDigest!(path), index * DIGEST_BYTES, 'hex');
    if (++files % FILES_AT_ONCE === 0) await breathe(context);
  }
  await opened.saveDigests?.();
  const digestAt = (index: number): Buffer => digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  return {
    *entries() {
      for (const [index, path] of paths.entries()) {
        const entry = toEntry(tree, { path, digest: digestAt(index), first: links.get(path) });
        if (entry !== undefined) yield entry;
      }
    },
    find: (wanted) => {
      const found = new Map<string, ContentFile>();
      if (wanted.size === 0) return found;
      for (const [index, path] of paths.entries()) {
        const { type, sizeBytes } = tree.stat(path)!;
        const digest = type === 'file' && !links.has(path) ? digestAt(index).toString('hex') : '';
        const content = wanted.has(digest) ? tree.content(path) : undefined;
        if (content?.kind === 'host-file') found.set(digest, { path: content.path, sizeBytes });
      }
      return found;
    },
  };
}

interface Listed {
  readonly path: BytePath;
  /** Of a file's content. */
  readonly digest: Uint8Array;
  /** The name that the same file had before. */
  readonly first: BytePath | undefined;
}

/** Undefined for what is not sent: device files cannot be made by a daemon without privileges, and no build takes them from its context. */
function toEntry(tree: Tree, { path, digest, first }: Listed): Entry | undefined {
  const found = tree.stat(path)!;
  const common = { path: bytesOfPath(path), mode: found.mode, mtimeNs: BigInt(found.mtime) * 1_000_000_000n };
  if (first !== undefined) return { ...common, type: TreeEntry_Type.HARD_LINK, target: bytesOfPath(first) };
  switch (found.type) {
    case 'file':
      return { ...common, type: TreeEntry_Type.FILE, size: BigInt(found.sizeBytes), digest };
    case 'directory':
      return { ...common, type: TreeEntry_Type.DIRECTORY };
    case 'fifo':
      return { ...common, type: TreeEntry_Type.FIFO };
    case 'symlink':
      return { ...common, type: TreeEntry_Type.SYMLINK, target: bytesOfPath(found.linkTarget ?? '') };
    default:
      return undefined;
  }
}

type Tree = Awaited<ReturnType<typeof openLocalTree>>['tree'];

/** All paths in the order of their bytes, which is that of the protocol: not the one in which directories are walked. */
function pathsOf(tree: Tree): readonly BytePath[] {
  const paths: BytePath[] = [];
  const visit = (directory: BytePath): void => {
    for (const name of tree.list(directory)) {
      const path = directory === '' ? name : `${directory}/${name}`;
      paths.push(path);
      if (tree.stat(path)?.type === 'directory') visit(path);
    }
  };
  visit('');
  return paths.sort((a, b) => (a < b ? -1 : 1));
}

async function breathe({ signal }: RunContext): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  throwIfCancelled(signal);
}
