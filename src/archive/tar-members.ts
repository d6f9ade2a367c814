import { BuildError, type BytePath, textOfPath } from '../core/index.ts';
import type { Entry, EntryType } from './entry.ts';
import { parsePaxRecords } from './pax.ts';
import {
  checkRegions,
  createLeadingMapReader,
  parseGnuSparseBlock,
  parsePaxSparse,
  type SparseRegion,
} from './sparse.ts';
import { BLOCK, damaged, isZeroBlock, parseHeader, parseNumber, type RawHeader } from './tar-header.ts';
import { xattrsOfRecords } from './tar-xattrs.ts';

/** One member of an archive. */
export interface TarMember {
  /** As the archive names it: whiteouts of layers are plain files here. */
  readonly entry: Entry;
  /** Offset of the stored content in the archive. */
  readonly offset: number;
  /** Length of the stored content; differs from `entry.sizeBytes` for sparse members only. */
  readonly storedBytes: number;
  /** Of a sparse member: the stretches that are stored, one after the other. */
  readonly regions?: readonly SparseRegion[] | undefined;
}

/**
 * What the parser asks of the one who drives it: `read` wants exactly that many bytes (answered with undefined at a clean
 * end of the input), `skip` wants them passed over; after `member` the driver passes over its stored content, padded to
 * whole blocks.
 */
export type TarRequest =
  | { readonly kind: 'read'; readonly sizeBytes: number }
  | { readonly kind: 'skip'; readonly sizeBytes: number }
  | { readonly kind: 'member'; readonly member: TarMember };

type Steps<T> = Generator<TarRequest, T, Buffer | undefined>;

/** Longest extended header that is accepted: more would let an archive take any amount of memory. */
const MAX_META_BYTES = 1 << 20;
const MAX_OWNER = 0xffffffff;
const READ_BLOCK: TarRequest = { kind: 'read', sizeBytes: BLOCK };

const TYPES: Readonly<Record<string, EntryType>> = {
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  // GNU's incremental dumps: a directory with a list of names, which is passed over.
  D: 'directory',
};

/** What extended headers say about the next member. */
interface Extensions {
  readonly pax: Map<string, string>;
  /** Repeated keywords of sparse format 0.0, in order. */
  readonly sparsePairs: (readonly [string, string])[];
  longName?: string;
  longLink?: string;
}

/** Rounded up to whole blocks. */
export function paddedSize(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK) * BLOCK;
}

/**
 * Parses an archive of any dialect (v7, ustar, PAX, star, old GNU with long names and sparse members) as a coroutine, so
 * that streams and files share it. It ends at the end mark, or at the end of the input between two members. Global PAX
 * headers are ignored, as docker ignores them.
 *
 * @throws BuildError `ARCHIVE_INVALID` with the offset of the damage; `ARCHIVE_UNSAFE` for a name with `..`.
 */
export function* parseTarMembers(): Steps<void> {
  let offset = 0;
  let extensions: Extensions = { pax: new Map(), sparsePairs: [] };
  for (;;) {
    const block = yield READ_BLOCK;
    if (block === undefined || isZeroBlock(block)) return;
    const header = parseHeader(block, offset);
    if (header.sizeBytes < 0) throw damaged(offset, 'the size is negative');
    const start = offset + BLOCK;
    if (yield* readExtension(header, extensions, offset)) {
      offset = start + paddedSize(header.sizeBytes);
      continue;
    }
    const member = yield* readMember(header, extensions, start);
    yield { kind: 'member', member };
    offset = member.offset + paddedSize(member.storedBytes);
    if (extensions.pax.size > 0 || extensions.longName !== undefined || extensions.longLink !== undefined) {
      extensions = { pax: new Map(), sparsePairs: [] };
    }
  }
}

/** Takes in a header that says something about the next one, or about none; false for a member. */
function* readExtension(header: RawHeader, extensions: Extensions, offset: number): Steps<boolean> {
  switch (header.typeFlag) {
    case 'x':
    case 'X':
      readPax(yield* readMeta(header, offset), extensions, offset);
      return true;
    case 'L':
      extensions.longName = textOf(yield* readMeta(header, offset));
      return true;
    case 'K':
      extensions.longLink = textOf(yield* readMeta(header, offset));
      return true;
    case 'g':
    case 'V':
    case 'N':
      yield { kind: 'skip', sizeBytes: paddedSize(header.sizeBytes) };
      return true;
    case 'M':
      throw damaged(offset, 'a file continues from another volume');
    default:
      return false;
  }
}

function* readMeta(header: RawHeader, offset: number): Steps<Buffer> {
  if (header.sizeBytes > MAX_META_BYTES) {
    throw damaged(
      offset,
      `an extended header claims ${header.sizeBytes} bytes (at most ${MAX_META_BYTES} are accepted)`,
    );
  }
  if (header.sizeBytes === 0) return Buffer.alloc(0);
  const body = yield { kind: 'read', sizeBytes: paddedSize(header.sizeBytes) };
  if (body === undefined) throw damaged(offset, 'the archive ends inside an extended header');
  return body.subarray(0, header.sizeBytes);
}

function readPax(body: Buffer, extensions: Extensions, offset: number): void {
  const pairs = parsePaxRecords(body);
  if (pairs === undefined) throw damaged(offset, 'the PAX header is malformed');
  for (const [keyword, value] of pairs) {
    if (keyword === 'GNU.sparse.offset' || keyword === 'GNU.sparse.numbytes') {
      extensions.sparsePairs.push([keyword, value]);
    } else extensions.pax.set(keyword, value);
  }
}

function textOf(body: Buffer): string {
  const end = body.indexOf(0);
  return body.toString('latin1', 0, end < 0 ? body.length : end);
}

function* readMember(header: RawHeader, extensions: Extensions, start: number): Steps<TarMember> {
  const { pax } = extensions;
  const at = start - BLOCK;
  const size = decimalOf(pax.get('size'), 'size', at) ?? header.sizeBytes;
  if (size < 0) throw damaged(at, 'the size is negative');
  const name = nonEmpty(pax.get('GNU.sparse.name')) ?? nonEmpty(pax.get('path')) ?? extensions.longName ?? header.name;
  const type = typeOf(header.typeFlag, name);
  const stored: StoredContent =
    type === 'file'
      ? yield* readSparse(header, extensions, { start, size })
      : // Some writers give links the size of their file without storing it again; as Go does, only files have content.
        { offset: start, storedBytes: header.typeFlag === 'D' ? size : 0, realSize: 0 };
  const { offset, storedBytes, realSize, regions } = stored;
  if (regions !== undefined) checkRegions(regions, stored, at);
  const linkName = nonEmpty(pax.get('linkpath')) ?? extensions.longLink ?? header.linkName;
  const xattrs = pax.size === 0 ? undefined : xattrsOfRecords(pax);
  const entry: Entry = {
    path: memberPath(name, at),
    type,
    mode: header.mode,
    uid: owner(decimalOf(pax.get('uid'), 'owner', at) ?? header.uid, at),
    gid: owner(decimalOf(pax.get('gid'), 'group', at) ?? header.gid, at),
    sizeBytes: realSize,
    mtime: Math.floor(decimalOf(pax.get('mtime'), 'modification time', at) ?? header.mtime),
    ...(type === 'symlink' ? { linkTarget: linkName } : {}),
    ...(type === 'hardlink' ? { linkTarget: memberPath(linkName, at) } : {}),
    ...(type === 'char' || type === 'block' ? { device: { major: header.major, minor: header.minor } } : {}),
    ...(xattrs === undefined ? {} : { xattrs }),
  };
  return { entry, offset, storedBytes, regions };
}

interface StoredContent {
  readonly offset: number;
  readonly storedBytes: number;
  readonly realSize: number;
  readonly regions?: readonly SparseRegion[];
}

function* readSparse(
  header: RawHeader,
  extensions: Extensions,
  { start, size }: { readonly start: number; readonly size: number },
): Steps<StoredContent> {
  if (header.typeFlag === 'S') return yield* readGnuSparse(header, { start, size });
  const sparse =
    extensions.pax.size === 0 ? undefined : parsePaxSparse(extensions.pax, extensions.sparsePairs, start - BLOCK);
  if (sparse === undefined) return { offset: start, storedBytes: size, realSize: size };
  if (sparse.kind === 'mapped') {
    return { offset: start, storedBytes: size, realSize: sparse.realSize, regions: sparse.regions };
  }
  const map = createLeadingMapReader(start);
  let offset = start;
  for (;;) {
    const block = yield READ_BLOCK;
    if (block === undefined) throw damaged(offset, 'the archive ends inside the map of a sparse file');
    offset += BLOCK;
    if (map.accept(block)) break;
  }
  const storedBytes = size - (offset - start);
  if (storedBytes < 0) throw damaged(start, 'the map of a sparse file does not fit its content');
  return { offset, storedBytes, realSize: sparse.realSize, regions: map.regions() };
}

/** Old GNU format: up to four stretches in the header, more in blocks that follow it, the real size at 483. */
function* readGnuSparse(
  header: RawHeader,
  { start, size }: { readonly start: number; readonly size: number },
): Steps<StoredContent> {
  const at = start - BLOCK;
  const realSize = parseNumber(header.block, 483, 12);
  if (realSize === undefined) throw damaged(at, 'the size of a sparse file is no number');
  const regions = [...parseGnuSparseBlock(header.block, { at: 386, count: 4, offset: at })];
  let offset = start;
  for (let more = header.block[482] !== 0; more; ) {
    const block = yield READ_BLOCK;
    if (block === undefined) throw damaged(offset, 'the archive ends inside the map of a sparse file');
    regions.push(...parseGnuSparseBlock(block, { at: 0, count: 21, offset }));
    offset += BLOCK;
    more = block[504] !== 0;
    if (offset - start > 64 << 20) throw damaged(at, 'the map of a sparse file is too large');
  }
  return { offset, storedBytes: size, realSize, regions };
}

function typeOf(flag: string, name: string): EntryType {
  return TYPES[flag] ?? (name.endsWith('/') && flag !== '7' && flag !== 'S' ? 'directory' : 'file');
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** A member's name from the root: a leading slash and `.` parts are dropped, `..` is refused. */
function memberPath(name: string, offset: number): BytePath {
  const end = name.indexOf('\0');
  const text = end < 0 ? name : name.slice(0, end);
  if (!/(?:^|\/)\.{0,2}(?:\/|$)/.test(text)) return text;
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) {
    throw new BuildError(
      'ARCHIVE_UNSAFE',
      `The archive names "${textOfPath(text)}" (at byte ${offset}), which may lie outside of it.`,
      {
        hint: 'Make the archive with names below its root, without "..".',
      },
    );
  }
  return parts.join('/');
}

function decimalOf(text: string | undefined, what: string, offset: number): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^-?\d+(?:\.\d*)?$/.test(text)) throw damaged(offset, `the ${what} in the PAX header is not a number`);
  const value = Number(text);
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) throw damaged(offset, `the ${what} in the PAX header is too large`);
  return value;
}

function owner(id: number, offset: number): number {
  if (id < 0 || id > MAX_OWNER) throw damaged(offset, `the owner ${id} is out of range`);
  return id;
}
