import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
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
import { createTally } from './tally.ts';
import { formatEntry, type TreeEntry } from './tree-entry.ts';
import { digestsIn } from './tree-list.ts';
import { createTreeUses } from './tree-uses.ts';

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
  /** Trees that are laid out or offered. */
  trees(): readonly KnownTree[];
  /** The contents that a tree names; none when it is not here. */
  contentsOf(tree: string): ReadonlySet<string>;
  removeTree(tree: string): void;
  /** Bytes of uploads, offers and trees that are not complete. */
  incompleteBytes(): number;
  /** Removes uploads that nobody goes on with. @returns their bytes. */
  removeOldPartials(olderThanMs: number): number;
}

/** A tree as garbage collection looks at it. */
export interface KnownTree {
  readonly tree: string;
  /** When it was last offered or opened. */
  readonly usedMs: number;
  /** A build has it, or one that will is about to come. */
  readonly isNeeded: boolean;
  /** Of its list and of copies of contents; those that it shares are not counted. */
  readonly ownBytes: number;
}

export interface ClientContextsOptions {
  readonly directory: string;
  readonly limits?: TreeLimits | undefined;
  /** Called before bytes are kept. @throws BuildError `STORE_FULL` when there is no room for them. */
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
  const uses = createTreeUses();
  const unfinished = createTally(options.reserve);
  const laying = new Map<string, Promise<void>>();
  let serial = 0;

  const listFile = (hex: string): string => `${places.trees}/${hex}/list`;
  const offer = async (entries: AsyncIterable<TreeEntry>): Promise<TreeOffer> => {
    const temporary = `${places.tmp}/offer-${++serial}`;
    mkdirSync(temporary);
    const { reserve, end } = unfinished.begin();
    try {
      const { hex, digests } = await writeList(`${temporary}/list`, entries, { limits: options.limits, reserve });
      uses.offered(hex);
      publish(temporary, `${places.trees}/${hex}`);
      const missing: TreeOffer['missing'][number][] = [];
      for (const digest of digests) {
        if ((await folder.find(digest)) === undefined) missing.push({ digest, have: receivedBytes(uploads, digest) });
        else folder.keep(digest);
      }
      return { tree: `sha256:${hex}`, missing };
    } finally {
      rmSync(temporary, { recursive: true, force: true });
      end();
    }
  };
  const layOut = async (hex: string, signal: AbortSignal): Promise<void> => {
    const target = `${places.trees}/${hex}/root`;
    if (statSync(target, { throwIfNoEntry: false }) !== undefined) return;
    const temporary = `${places.tmp}/tree-${++serial}`;
    const { reserve, end } = unfinished.begin();
    try {
      const copied = await layOutTree({ folder, reserve }, { listFile: listFile(hex), directory: temporary }, signal);
      writeFileSync(`${places.trees}/${hex}/copied`, String(copied), { mode: 0o600 });
      renameSync(temporary, target);
    } finally {
      removeTree(temporary);
      end();
    }
  };
  const openTree = async (tree: string, signal: AbortSignal): Promise<OpenTree> => {
    const hex = isDigest(tree) ? digestHex(tree) : '';
    if (hex === '' || !markUsed(listFile(hex))) throw unknownTree(tree);
    // From here on garbage collection leaves it alone.
    const release = uses.opened(hex);
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
    upload: async (pieces) => {
      const end = uses.uploading();
      try {
        return await receiveContents(uploads, pieces);
      } finally {
        end();
      }
    },
    openTree,
    trees: () =>
      namesIn(places.trees).map((hex) => {
        const list = statSync(listFile(hex), { throwIfNoEntry: false });
        return {
          tree: hex,
          usedMs: list?.mtimeMs ?? 0,
          isNeeded: uses.isNeeded(hex),
          ownBytes: (list?.size ?? 0) + readNumber(`${places.trees}/${hex}/copied`),
        };
      }),
    contentsOf: (hex) => digestsIn(listFile(hex)),
    incompleteBytes: () =>
      namesIn(places.partial).reduce(
        (sum, name) => sum + (statSync(`${places.partial}/${name}`, { throwIfNoEntry: false })?.size ?? 0),
        unfinished.bytes,
      ),
    removeTree: (hex) => {
      const trash = `${places.tmp}/trash-${++serial}`;
      renameSync(`${places.trees}/${hex}`, trash);
      removeTree(trash);
    },
    removeOldPartials: (olderThanMs) => {
      let removed = 0;
      for (const name of namesIn(places.partial)) {
        const path = `${places.partial}/${name}`;
        const stats = statSync(path, { throwIfNoEntry: false });
        if (stats === undefined || stats.mtimeMs >= olderThanMs || uploads.active.has(name)) continue;
        rmSync(path, { force: true });
        removed += stats.size;
      }
      return removed;
    },
  };
}

/** Checks entries and writes them as a list, whose digest names the tree. */
async function writeList(
  path: string,
  entries: AsyncIterable<TreeEntry>,
  { limits, reserve }: Pick<ClientContextsOptions, 'limits' | 'reserve'>,
): Promise<{ readonly hex: string; readonly digests: ReadonlySet<string> }> {
  const checker = createTreeChecker(limits);
  const hash = createHash('sha256');
  const digests = new Set<string>();
  const fd = openSync(path, 'wx', 0o600);
  let lines = '';
  const flush = (): void => {
    const bytes = Buffer.from(lines);
    lines = '';
    reserve(bytes.length);
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

/** 0 when it is not there. */
function readNumber(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return 0;
  }
}
