import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync, utimesSync, writeSync } from 'node:fs';
import { BuildError, type Digest, digestHex, isDigest, throwIfCancelled } from '../../core/index.ts';
import { createTreeChecker, type TreeLimits } from './check-tree.ts';
import { type ContentFolder, createContentFolder, namesIn } from './content-folder.ts';
import { layOutTree } from './lay-out-tree.ts';
import {
  type ContentPiece,
  type ReceivedContents,
  receiveContents,
  receivedBytes,
  type Uploads,
} from './receive-contents.ts';
import { removeTree } from './remove-tree.ts';
import { formatEntry, type TreeEntry } from './tree-entry.ts';

/** What an offered tree still needs. */
export interface TreeOffer {
  /** Name of the tree: the digest over its entries. */
  readonly tree: Digest;
  /** `have`: bytes of an upload that was broken off. */
  readonly missing: ReadonlyArray<{ readonly digest: string; readonly have: number }>;
}

/** A tree laid out as a directory, until it is released. */
export interface OpenTree {
  readonly directory: string;
  release(): void;
}

/** The build contexts of one client: nobody else can use them, or learn what is here. */
export interface ClientContexts {
  /** @throws BuildError `CONTEXT_INVALID` */
  offer(entries: AsyncIterable<TreeEntry>): Promise<TreeOffer>;
  /** @throws BuildError `CONTEXT_INVALID`, `STORE_FULL` */
  upload(pieces: AsyncIterable<ContentPiece>): Promise<ReceivedContents>;
  /** @throws BuildError `CONTEXT_INVALID` when the tree was not offered, or not all of its contents were uploaded. */
  openTree(tree: string, signal: AbortSignal): Promise<OpenTree>;
  readonly folder: ContentFolder;
  /** Trees that are laid out or offered, with when they were last used. */
  trees(): ReadonlyArray<{ readonly tree: string; readonly usedMs: number; readonly inUse: boolean }>;
  removeTree(tree: string): void;
  removeOldPartials(olderThanMs: number): void;
}

export interface ClientContextsOptions {
  readonly directory: string;
  readonly limits?: TreeLimits | undefined;
  readonly reserve: (bytes: number) => void;
}

/** Bytes of lines that are gathered before they are written. */
const WRITE_BYTES = 1 << 18;

export function createClientContexts(options: ClientContextsOptions): ClientContexts {
  const { directory } = options;
  const places = { trees: `${directory}/trees`, partial: `${directory}/partial`, tmp: `${directory}/tmp` };
  removeTree(places.tmp);
  for (const place of Object.values(places)) mkdirSync(place, { recursive: true, mode: 0o700 });
  const folder = createContentFolder({ directory: `${directory}/contents`, oldDirectory: `${directory}/old` });
  const uploads: Uploads = { folder, partialDirectory: places.partial, active: new Map(), reserve: options.reserve };
  const used = new Map<string, number>();
  const laying = new Map<string, Promise<void>>();
  let serial = 0;

  const listFile = (hex: string): string => `${places.trees}/${hex}/list`;
  const offer = async (entries: AsyncIterable<TreeEntry>): Promise<TreeOffer> => {
    const temporary = `${places.tmp}/offer-${++serial}`;
    mkdirSync(temporary);
    try {
      const { hex, digests } = await writeList(`${temporary}/list`, entries, options.limits);
      publish(temporary, `${places.trees}/${hex}`);
      const missing: TreeOffer['missing'][number][] = [];
      for (const digest of digests) {
        if ((await folder.find(digest)) === undefined) missing.push({ digest, have: receivedBytes(uploads, digest) });
        else folder.keep(digest);
      }
      return { tree: `sha256:${hex}`, missing };
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  };
  const layOut = async (hex: string, signal: AbortSignal): Promise<void> => {
    const target = `${places.trees}/${hex}/root`;
    if (statSync(target, { throwIfNoEntry: false }) !== undefined) return;
    const temporary = `${places.tmp}/tree-${++serial}`;
    try {
      await layOutTree(folder, { listFile: listFile(hex), directory: temporary }, signal);
      renameSync(temporary, target);
    } finally {
      removeTree(temporary);
    }
  };
  const openTree = async (tree: string, signal: AbortSignal): Promise<OpenTree> => {
    const hex = isDigest(tree) ? digestHex(tree) : '';
    if (hex === '' || !markUsed(listFile(hex))) throw unknownTree(tree);
    // From here on garbage collection leaves it alone.
    used.set(hex, (used.get(hex) ?? 0) + 1);
    const release = once(() => {
      const left = (used.get(hex) ?? 1) - 1;
      if (left > 0) used.set(hex, left);
      else used.delete(hex);
    });
    try {
      for (let other = laying.get(hex); other !== undefined; other = laying.get(hex))
        await other.catch(() => undefined);
      throwIfCancelled(signal);
      const work = layOut(hex, signal).finally(() => laying.delete(hex));
      laying.set(hex, work);
      await work;
      return { directory: `${places.trees}/${hex}/root`, release };
    } catch (error) {
      release();
      throw error;
    }
  };
  return {
    folder,
    offer,
    upload: (pieces) => receiveContents(uploads, pieces),
    openTree,
    trees: () =>
      namesIn(places.trees).map((hex) => ({
        tree: hex,
        usedMs: statSync(listFile(hex), { throwIfNoEntry: false })?.mtimeMs ?? 0,
        inUse: used.has(hex),
      })),
    removeTree: (hex) => {
      const trash = `${places.tmp}/trash-${++serial}`;
      renameSync(`${places.trees}/${hex}`, trash);
      removeTree(trash);
    },
    removeOldPartials: (olderThanMs) => {
      for (const name of namesIn(places.partial)) {
        const path = `${places.partial}/${name}`;
        const stats = statSync(path, { throwIfNoEntry: false });
        if (stats !== undefined && stats.mtimeMs < olderThanMs && !uploads.active.has(name))
          rmSync(path, { force: true });
      }
    },
  };
}

/** Checks entries and writes them as a list, whose digest names the tree. */
async function writeList(
  path: string,
  entries: AsyncIterable<TreeEntry>,
  limits: TreeLimits | undefined,
): Promise<{ readonly hex: string; readonly digests: ReadonlySet<string> }> {
  const checker = createTreeChecker(limits);
  const hash = createHash('sha256');
  const digests = new Set<string>();
  const fd = openSync(path, 'wx', 0o600);
  let lines = '';
  const flush = (): void => {
    const bytes = Buffer.from(lines);
    lines = '';
    hash.update(bytes);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  };
  try {
    for await (const entry of entries) {
      checker.check(entry);
      if (entry.type === 'file') digests.add(entry.digest);
      lines += formatEntry(entry);
      if (lines.length >= WRITE_BYTES) flush();
    }
    flush();
  } finally {
    closeSync(fd);
  }
  return { hex: hash.digest('hex'), digests };
}

/** Moves a new list to its place, unless the same tree is there: then that one counts as just used. */
function publish(temporary: string, target: string): void {
  if (!markUsed(`${target}/list`)) renameSync(temporary, target);
}

/** False when it is not there. */
function markUsed(path: string): boolean {
  try {
    const now = Date.now() / 1000;
    utimesSync(path, now, now);
    return true;
  } catch {
    return false;
  }
}

function unknownTree(tree: string): BuildError {
  return new BuildError('CONTEXT_INVALID', `The build context ${tree || '""'} is not here.`, {
    hint: 'Offer the tree first; what nobody uses is removed after a time.',
  });
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
