import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

/**
 * A tar reader for tests alone. It shares no line with the product's codec, so that a mistake in one is not repeated by
 * the other.
 */
export interface TarMember {
  /** As in the archive, one character per byte, `./` and slashes at the ends removed. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly link: string;
  readonly device: string;
  /** Hexadecimal values by name. */
  readonly xattrs: Readonly<Record<string, string>>;
  /** SHA-256 of a file's content, in hexadecimal. */
  readonly sha256: string;
}

const KINDS: Readonly<Record<string, TarMember['kind']>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

const BLOCK = 512;

/** Every member of an uncompressed tar, in the archive's order. */
export function readTar(file: string): readonly TarMember[] {
  const fd = openSync(file, 'r');
  try {
    return readMembers(createCursor(fd));
  } finally {
    closeSync(fd);
  }
}

interface Cursor {
  /** Exactly `length` bytes. */
  take(length: number): Buffer;
  /** Passes over the content in pieces. */
  each(length: number, use: (bytes: Buffer) => void): void;
}

function createCursor(fd: number): Cursor {
  const buffer = Buffer.alloc(1 << 20);
  let position = 0;
  const read = (length: number): Buffer => {
    const count = readSync(fd, buffer, 0, Math.min(length, buffer.length), position);
    if (count === 0) throw new Error(`The archive ends in the middle of a member, at byte ${position}.`);
    position += count;
    return buffer.subarray(0, count);
  };
  const each = (length: number, use: (bytes: Buffer) => void): void => {
    for (let left = length; left > 0; ) {
      const bytes = read(left);
      use(bytes);
      left -= bytes.length;
    }
  };
  const take = (length: number): Buffer => {
    const parts: Buffer[] = [];
    each(length, (bytes) => parts.push(Buffer.from(bytes)));
    return Buffer.concat(parts);
  };
  return { take, each };
}

function readMembers(cursor: Cursor): readonly TarMember[] {
  const members: TarMember[] = [];
  let pax = new Map<string, Buffer>();
  let longName: string | undefined;
  let longLink: string | undefined;
  for (;;) {
    const header = cursor.take(BLOCK);
    if (header.every((byte) => byte === 0)) return members;
    verifyChecksum(header);
    const flag = String.fromCharCode(header[156] ?? 0);
    const headerSize = numberAt(header, 124, 12);
    if (flag === 'x') pax = parsePax(takeContent(cursor, headerSize));
    else if (flag === 'g') takeContent(cursor, headerSize);
    else if (flag === 'L') longName = cString(takeContent(cursor, headerSize));
    else if (flag === 'K') longLink = cString(takeContent(cursor, headerSize));
    else {
      members.push(readMember(cursor, header, { pax, longName, longLink }));
      pax = new Map();
      longName = undefined;
      longLink = undefined;
    }
  }
}

interface Extensions {
  readonly pax: ReadonlyMap<string, Buffer>;
  readonly longName: string | undefined;
  readonly longLink: string | undefined;
}

function readMember(cursor: Cursor, header: Buffer, extensions: Extensions): TarMember {
  const { pax, longName, longLink } = extensions;
  const text = (key: string): string | undefined => pax.get(key)?.toString('latin1');
  const flag = String.fromCharCode(header[156] ?? 0);
  const kind = KINDS[flag];
  if (kind === undefined) throw new Error(`A member of the unknown type "${flag}" is in the archive.`);
  if ([...pax.keys()].some((key) => key.startsWith('GNU.sparse')))
    throw new Error('A sparse member is in the archive.');
  const size = kind === 'file' ? Number(text('size') ?? numberAt(header, 124, 12)) : 0;
  return {
    path: cleanName(text('path') ?? longName ?? headerName(header)),
    kind,
    mode: numberAt(header, 100, 8) & 0o7777,
    uid: Number(text('uid') ?? numberAt(header, 108, 8)),
    gid: Number(text('gid') ?? numberAt(header, 116, 8)),
    size,
    mtime: Math.floor(Number(text('mtime') ?? numberAt(header, 136, 12))),
    link: text('linkpath') ?? longLink ?? cString(header.subarray(157, 257)),
    device: kind === 'char' || kind === 'block' ? `${numberAt(header, 329, 8)}:${numberAt(header, 337, 8)}` : '',
    xattrs: xattrsOf(pax),
    sha256: kind === 'file' ? contentDigest(cursor, size) : '',
  };
}

function contentDigest(cursor: Cursor, size: number): string {
  const digest = createHash('sha256');
  cursor.each(size, (bytes) => digest.update(bytes));
  skipPadding(cursor, size);
  return digest.digest('hex');
}

function takeContent(cursor: Cursor, size: number): Buffer {
  const content = cursor.take(size);
  skipPadding(cursor, size);
  return content;
}

function skipPadding(cursor: Cursor, size: number): void {
  const padding = (BLOCK - (size % BLOCK)) % BLOCK;
  if (padding > 0) cursor.take(padding);
}

function xattrsOf(pax: ReadonlyMap<string, Buffer>): Readonly<Record<string, string>> {
  const prefix = 'SCHILY.xattr.';
  const pairs = [...pax].filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(pairs.map(([key, value]) => [key.slice(prefix.length), value.toString('hex')]).sort());
}

function parsePax(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString('latin1', at, space));
    const equals = bytes.indexOf(0x3d, space);
    records.set(bytes.toString('latin1', space + 1, equals), Buffer.from(bytes.subarray(equals + 1, at + length - 1)));
    at += length;
  }
  return records;
}

function headerName(header: Buffer): string {
  const name = cString(header.subarray(0, 100));
  const isPosix = header.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? cString(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function cleanName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new Error(`The member name "${name}" leaves the archive.`);
  return parts.join('/');
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
}

function numberAt(header: Buffer, offset: number, length: number): number {
  const field = header.subarray(offset, offset + length);
  const first = field[0] ?? 0;
  if ((first & 0x80) === 0) return Number.parseInt(cString(field).trim() || '0', 8);
  const negative = (first & 0x40) !== 0;
  const digits = [...field].reduce((sum, byte, index) => sum * 256n + BigInt(index === 0 ? byte & 0x7f : byte), 0n);
  return Number(negative ? digits - (1n << BigInt(8 * length - 1)) : digits);
}

function verifyChecksum(header: Buffer): void {
  const blanked = Buffer.from(header).fill(0x20, 148, 156);
  const sum = blanked.reduce((total, byte) => total + byte, 0);
  if (sum !== numberAt(header, 148, 8)) throw new Error('A header of the archive has a wrong checksum.');
}
