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

/** A directory as it is offered: what its ignore rules leave of it. */
export interface ListedTree {
  readonly entries: ReadonlyArray<MessageInput<typeof TreeEntrySchema>>;
  /** One file for each content, by its sha256 in hex. */
  readonly contents: ReadonlyMap<string, ContentFile>;
}

/** Files are hashed without a pause; between so many others get their turn, and a cancelled build ends. */
const FILES_AT_ONCE = 64;

/**
 * Lists a directory with the digests of its files. Those of unchanged files come from the store's cache.
 *
 * @throws BuildError `CONTEXT_NOT_FOUND`, `CONTEXT_INVALID`, `CANCELLED`.
 */
export async function listTree(store: Store, directory: ContextDirectory, context: RunContext): Promise<ListedTree> {
  const opened = await openLocalTree({ env: { store } }, directory);
  const { tree } = opened;
  const contents = new Map<string, ContentFile>();
  const firstNames = new Map<string, BytePath>();
  const entries: MessageInput<typeof TreeEntrySchema>[] = [];
  let files = 0;
  for (const path of pathsOf(tree)) {
    const found = tree.stat(path)!;
    const common = { path: bytesOfPath(path), mode: found.mode, mtimeNs: BigInt(found.mtime) * 1_000_000_000n };
    const linkId = found.type === 'file' ? tree.linkId(path) : undefined;
    const first = linkId === undefined ? undefined : firstNames.get(linkId);
    if (first !== undefined) {
      entries.push({ ...common, type: TreeEntry_Type.HARD_LINK, target: bytesOfPath(first) });
    } else if (found.type === 'file') {
      if (linkId !== undefined) firstNames.set(linkId, path);
      const digest = opened.fileDigest!(path);
      const content = tree.content(path);
      if (content.kind === 'host-file') contents.set(digest, { path: content.path, sizeBytes: found.sizeBytes });
      const size = BigInt(found.sizeBytes);
      entries.push({ ...common, type: TreeEntry_Type.FILE, size, digest: Buffer.from(digest, 'hex') });
      if (++files % FILES_AT_ONCE === 0) await breathe(context);
    } else if (found.type === 'directory') entries.push({ ...common, type: TreeEntry_Type.DIRECTORY });
    else if (found.type === 'fifo') entries.push({ ...common, type: TreeEntry_Type.FIFO });
    else if (found.type === 'symlink') {
      entries.push({ ...common, type: TreeEntry_Type.SYMLINK, target: bytesOfPath(found.linkTarget ?? '') });
    }
    // Device files cannot be made by a daemon without privileges, and no build takes them from its context.
  }
  await opened.saveDigests?.();
  return { entries, contents };
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
