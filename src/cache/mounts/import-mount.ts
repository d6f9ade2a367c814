import { createHash } from 'node:crypto';
import type { Digest, RunContext } from '../../core/index.ts';
import type { CacheStorage } from '../types.ts';
import { checkNames, type StoredName } from './listing.ts';
import { invalid, type Pack, type StoredMount } from './mounts-document.ts';
import { fetchNames, openContent } from './open-mounts.ts';
import { type KnownName, writeStamps } from './stamps.ts';
import type { MountName, NewName, OpenMount } from './types.ts';

/** A mount that lies elsewhere, and the empty directory that it is to fill. */
export interface MountImport {
  readonly storage: CacheStorage;
  readonly stored: StoredMount;
  readonly mount: OpenMount;
  /** Told of compressed bytes that came. */
  readonly onBytes: (count: number) => void;
}

/**
 * Fills the directory of a mount. What is unsound is refused before the first file is made, and every content is compared
 * with its digest.
 *
 * @throws BuildError `IMAGE_INVALID`, `ARCHIVE_UNSAFE`, `BLOB_*`, `REGISTRY_*`, `STORE_*`, `CANCELLED`; the directory then
 *   holds whatever had come.
 */
export async function importMount(input: MountImport, context: RunContext): Promise<void> {
  const { storage, stored, mount } = input;
  const startedMs = Date.now();
  const names = await fetchNames(storage, stored, context);
  checkNames(names);
  await mount.files.write(entriesOf(input, names, context), context);
  const listed = await mount.files.list(context);
  // What was made here just now has old times but for its ctime, and nobody else has it.
  writeStamps(mount.stampsPath, matchNames(listed, names), Math.max(startedMs, Date.now()) + 1000);
}

/** Directories, then files as they come, links last. */
async function* entriesOf(
  input: MountImport,
  names: readonly StoredName[],
  context: RunContext,
): AsyncGenerator<NewName> {
  for (const { entry, content } of names) {
    if (entry.type === 'directory' || (entry.type === 'file' && content === undefined)) yield { entry };
  }
  const byPack = groupByPack(names);
  for (const pack of input.stored.packs) {
    const contents = byPack.get(pack.blob.digest);
    if (contents !== undefined) yield* filesOf(input, { pack, contents }, context);
    byPack.delete(pack.blob.digest);
  }
  if (byPack.size > 0) throw invalid('it names a pack that is not there');
  for (const { entry } of names) if (entry.type === 'hardlink' || entry.type === 'symlink') yield { entry };
}

/** All names of one content. */
interface PackedContent {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly names: StoredName[];
}

type ContentsByOffset = Map<number, PackedContent>;

function groupByPack(names: readonly StoredName[]): Map<Digest, ContentsByOffset> {
  const packs = new Map<Digest, ContentsByOffset>();
  for (const name of names) {
    const { entry, content, place } = name;
    if (content === undefined || place === undefined) continue;
    const contents = packs.get(place.pack) ?? new Map<number, PackedContent>();
    packs.set(place.pack, contents);
    const { sizeBytes } = entry;
    const { sha256 } = content;
    const known = contents.get(place.offset) ?? { offset: place.offset, sizeBytes, sha256, names: [] };
    if (known.sizeBytes !== sizeBytes || known.sha256 !== sha256) throw invalid('two contents of it lie in one place');
    known.names.push(name);
    contents.set(place.offset, known);
  }
  return packs;
}

async function* filesOf(
  { storage, onBytes }: MountImport,
  { pack, contents }: { readonly pack: Pack; readonly contents: ContentsByOffset },
  context: RunContext,
): AsyncGenerator<NewName> {
  const sorted = [...contents.values()].toSorted((one, two) => one.offset - two.offset);
  const reader = createReader(openContent(storage, pack.blob, context));
  try {
    for (const content of sorted) {
      await reader.skipTo(content.offset);
      const isOneLarge = content.names.length === 1 && content.sizeBytes > WHOLE_BYTES;
      if (isOneLarge) yield { entry: content.names[0]!.entry, body: checked(reader.read(content.sizeBytes), content) };
      else yield* copies(reader.read(content.sizeBytes), content);
    }
    // To the end, where the digest of the pack is compared.
    await reader.skipTo(Number.POSITIVE_INFINITY);
  } finally {
    await reader.close();
  }
  onBytes(pack.blob.size);
}

/** A content that is not larger is held in memory. */
const WHOLE_BYTES = 1 << 20;

async function* copies(body: AsyncIterable<Uint8Array>, content: PackedContent): AsyncGenerator<NewName> {
  const chunks: Buffer[] = [];
  for await (const chunk of checked(body, content)) chunks.push(Buffer.from(chunk));
  const bytes = Buffer.concat(chunks);
  for (const { entry } of content.names) yield { entry, bytes };
}

async function* checked(body: AsyncIterable<Uint8Array>, { sha256 }: PackedContent): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of body) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('base64url') !== sha256) throw invalid('a file of it has another content than its listing says');
}

interface PackReader {
  skipTo(offset: number): Promise<void>;
  /** The next bytes, to be read before anything else is asked for. */
  read(sizeBytes: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

function createReader(source: AsyncIterable<Uint8Array>): PackReader {
  const iterator = source[Symbol.asyncIterator]();
  let chunk: Uint8Array = Buffer.alloc(0);
  let position = 0;
  const take = async (most: number): Promise<Uint8Array | undefined> => {
    while (chunk.length === 0) {
      const next = await iterator.next();
      if (next.done === true) return undefined;
      chunk = next.value;
    }
    const part = chunk.subarray(0, Math.min(most, chunk.length));
    chunk = chunk.subarray(part.length);
    position += part.length;
    return part;
  };
  return {
    skipTo: async (offset) => {
      if (offset < position) throw invalid('contents of it overlap');
      while (position < offset) {
        if ((await take(offset - position)) !== undefined) continue;
        if (offset === Number.POSITIVE_INFINITY) return;
        throw invalid('a pack of it is too short');
      }
    },
    read: async function* (sizeBytes) {
      for (let left = sizeBytes; left > 0; ) {
        const part = await take(left);
        if (part === undefined) throw invalid('a pack of it is too short');
        left -= part.length;
        yield part;
      }
    },
    close: async () => void (await iterator.return?.()),
  };
}

/** Both are in the order of names. */
function matchNames(listed: readonly MountName[], names: readonly StoredName[]): readonly KnownName[] {
  let at = 0;
  return listed.map((name) => {
    while (at < names.length && names[at]!.entry.path < name.entry.path) at += 1;
    const stored = names[at];
    return { name, content: stored?.entry.path === name.entry.path ? stored.content : undefined };
  });
}
