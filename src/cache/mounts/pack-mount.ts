import { createHash } from 'node:crypto';
import type { Entry } from '../../archive/index.ts';
import { compressGzip } from '../../archive/index.ts';
import type { BytePath, RunContext } from '../../core/index.ts';
import { choosePacks } from './choose-packs.ts';
import { digestOfNames, encodePages, type FileContent, type Place, type StoredName } from './listing.ts';
import { PAGE_TYPE, type Pack, type StoredMount } from './mounts-document.ts';
import type { Spool } from './spool.ts';
import { type KnownName, readStamps, writeStamps } from './stamps.ts';
import type { HeldMount } from './types.ts';
import { createPackWriter, each, type PackFormat, type PendingPlace, settle } from './write-packs.ts';

/** A mount that is held, and how the target has it. */
export interface MountPacking {
  readonly mount: HeldMount;
  /** What the target has of it, with the places of its contents. */
  readonly before: { readonly stored: StoredMount; readonly names: () => Promise<readonly StoredName[]> } | undefined;
  readonly spool: Spool;
  readonly format: PackFormat;
  /** Told of bytes that were read from the mount. */
  readonly onBytes: (count: number) => void;
}

/** A mount in the form in which it travels; what is new of it lies in the spool. */
export interface PackedMount {
  readonly stored: StoredMount;
  /** Files that changed while they were read, and are left out. */
  readonly changed: number;
}

/**
 * Puts what the target lacks of a mount into packs. Files that are as they were when they were last read are not looked into,
 * and contents that a pack of the target has stay where they are. The same mount gives the same blobs, after the same
 * earlier exports.
 *
 * @throws BuildError `HOST_LACKS`, `STORE_*`, `CANCELLED`.
 */
export async function packMount(input: MountPacking, context: RunContext): Promise<PackedMount> {
  const { mount, before } = input;
  const readMs = Date.now();
  const listed = await mount.files.list(context);
  let known = readStamps(mount.stampsPath, listed);
  if (
    before !== undefined &&
    known.every(isKnown) &&
    digestOfNames(known.map((one) => toStored(one))) === before.stored.digest
  ) {
    return { stored: before.stored, changed: 0 };
  }
  const places = placesOf(before === undefined ? [] : await before.names());
  // What the target may have already is told apart first; otherwise everything is read once, into packs.
  if (places.size > 0) known = await readContents(input, known, context);
  const kept = choosePacks(before?.stored.packs ?? [], wantedOf(known, places));
  const packed = await writeMissing(input, { known, places: placesIn(places, kept) }, context);
  const current = leaveChanged(packed, await changedStamps(input, packed, context));
  writeStamps(mount.stampsPath, current, readMs);
  const names = current.map((one) => toStored(one, packed.placeOf(one)));
  const pages: StoredMount['pages'][number][] = [];
  for (const page of encodePages(names)) pages.push(await input.spool.write(PAGE_TYPE, compressGzip(each([page]))));
  const stored = {
    id: mount.id,
    digest: digestOfNames(names),
    names: names.length,
    pages,
    packs: [...kept, ...packed.packs],
  };
  return { stored, changed: packed.known.length - current.length };
}

/** Files without content need none. */
function isKnown({ name, content }: KnownName): boolean {
  return name.entry.type !== 'file' || name.entry.sizeBytes === 0 || content !== undefined;
}

function toStored({ name, content }: KnownName, place?: Place): StoredName {
  return {
    entry: name.entry,
    ...(content === undefined ? {} : { content }),
    ...(place === undefined ? {} : { place }),
  };
}

function placesOf(names: readonly StoredName[]): ReadonlyMap<string, Place> {
  return new Map(names.flatMap(({ content, place }) => (content && place ? [[content.sha256, place] as const] : [])));
}

function placesIn(places: ReadonlyMap<string, Place>, kept: readonly Pack[]): ReadonlyMap<string, Place> {
  const packs = new Set(kept.map(({ blob }) => blob.digest));
  return new Map([...places].filter(([, place]) => packs.has(place.pack)));
}

function* wantedOf(known: readonly KnownName[], places: ReadonlyMap<string, Place>) {
  const seen = new Set<string>();
  for (const { name, content } of known) {
    if (content === undefined || seen.has(content.sha256)) continue;
    seen.add(content.sha256);
    yield { sizeBytes: name.entry.sizeBytes, place: places.get(content.sha256) };
  }
}

/** Learns the contents of files that changed, or were never looked into. */
async function readContents(
  { mount, onBytes }: MountPacking,
  known: readonly KnownName[],
  context: RunContext,
): Promise<readonly KnownName[]> {
  const paths = known.filter((one) => !isKnown(one)).map(({ name }) => name.entry.path);
  const contents = new Map<BytePath, FileContent>();
  for await (const { entry, body } of mount.files.read(paths, context)) {
    const hash = createHash('sha256');
    for await (const chunk of body) {
      hash.update(chunk);
      onBytes(chunk.length);
    }
    contents.set(entry.path, toContent(entry, hash.digest('base64url')));
  }
  return known.map((one) => {
    const content = contents.get(one.name.entry.path);
    return content === undefined ? one : { ...one, content };
  });
}

/** Attributes that mean the same elsewhere. */
const TRAVELLING = /^user\.|^security\.capability$/;

function toContent({ xattrs = new Map() }: Entry, sha256: string): FileContent {
  const travelling = [...xattrs]
    .filter(([name]) => TRAVELLING.test(name))
    .toSorted(([one], [two]) => (one < two ? -1 : 1));
  if (travelling.length === 0) return { sha256 };
  const encoded = travelling.map(([name, value]) => [name, Buffer.from(value).toString('base64')] as const);
  return { sha256, xattrs: Object.fromEntries(encoded) };
}

interface Packed {
  readonly known: readonly KnownName[];
  readonly packs: readonly Pack[];
  readonly didRead: boolean;
  placeOf(name: KnownName): Place | undefined;
}

/** Writes the contents that no kept pack has, in the order of their first names. */
async function writeMissing(
  { mount, spool, format, onBytes }: MountPacking,
  { known, places }: { readonly known: readonly KnownName[]; readonly places: ReadonlyMap<string, Place> },
  context: RunContext,
): Promise<Packed> {
  const writer = createPackWriter(spool, format);
  const pending = new Map<string, PendingPlace>();
  const read = new Map<BytePath, FileContent>();
  const sizes = new Map(missingNames(known, places));
  for await (const { entry, body } of mount.files.read([...sizes.keys()], context)) {
    const sizeBytes = sizes.get(entry.path) ?? 0;
    const isThere = (sha256: string): boolean => places.has(sha256) || pending.has(sha256);
    const added = await writer.add({ sizeBytes, body: counted(body, onBytes) }, isThere);
    if (added.place !== undefined) pending.set(added.sha256, added.place);
    // A file of another size is left out below: it has changed.
    if (added.sizeBytes === sizeBytes) read.set(entry.path, toContent(entry, added.sha256));
  }
  const packs = await writer.finish();
  return {
    packs,
    didRead: sizes.size > 0,
    known: known.map((one) => {
      if (!sizes.has(one.name.entry.path)) return one;
      return { name: one.name, content: read.get(one.name.entry.path) };
    }),
    placeOf: ({ content }) => {
      if (content === undefined) return undefined;
      const place = pending.get(content.sha256);
      return place === undefined ? places.get(content.sha256) : settle(place);
    },
  };
}

/** The first name of every content that no pack has, with its size. */
function* missingNames(
  known: readonly KnownName[],
  places: ReadonlyMap<string, Place>,
): Generator<readonly [BytePath, number]> {
  const seen = new Set<string>();
  for (const one of known) {
    const { name, content } = one;
    if (isKnown(one) && (content === undefined || places.has(content.sha256) || seen.has(content.sha256))) continue;
    if (content !== undefined) seen.add(content.sha256);
    yield [name.entry.path, name.entry.sizeBytes];
  }
}

/** The stamps of files after they were read; undefined where they cannot have changed. */
async function changedStamps(
  { mount }: MountPacking,
  { didRead }: Packed,
  context: RunContext,
): Promise<ReadonlyMap<BytePath, string> | undefined> {
  if (mount.isAlone || !didRead) return undefined;
  return new Map((await mount.files.list(context)).map(({ entry, stamp }) => [entry.path, stamp]));
}

/** Drops files that others changed meanwhile, and further names of such a file. */
function leaveChanged(
  { known, placeOf }: Packed,
  stamps: ReadonlyMap<BytePath, string> | undefined,
): readonly KnownName[] {
  const gone = new Set<BytePath>();
  return known.filter((one) => {
    const { entry, stamp } = one.name;
    const isFile = entry.type === 'file' && entry.sizeBytes > 0;
    const isSame = stamps === undefined || stamps.get(entry.path) === stamp;
    if (isFile && !(isSame && isKnown(one) && placeOf(one) !== undefined)) gone.add(entry.path);
    return !gone.has(entry.path) && !(entry.type === 'hardlink' && gone.has(entry.linkTarget ?? ''));
  });
}

async function* counted(body: AsyncIterable<Uint8Array>, onBytes: (count: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    onBytes(chunk.length);
    yield chunk;
  }
}
