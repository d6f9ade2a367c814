import { BuildError } from '../core/index.ts';
import type { EntryType } from './entry.ts';

/** Tar is made of blocks of this many bytes. */
export const BLOCK = 512;

/** Length of the name and link name fields. */
export const NAME_FIELD = 100;
const PREFIX_FIELD = 155;
/** Largest numbers that the octal fields hold. */
export const MAX_ID = 0o7777777;
export const MAX_SIZE = 0o77777777777;

/** Type flags of the members that we write. */
export const TYPE_FLAGS: Readonly<Record<EntryType | 'pax', number>> = {
  file: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
  pax: 0x78,
};

/** What goes into a header block; texts are `latin1` and must fit, numbers must be in range. */
export interface HeaderFields {
  readonly name: string;
  readonly prefix: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtime: number;
  readonly typeFlag: number;
  readonly linkName: string;
  readonly major: number;
  readonly minor: number;
}

/** Writes a ustar header block at `at`: no user or group names, so that equal trees make equal archives. */
export function writeHeader(buffer: Buffer, at: number, fields: HeaderFields): void {
  buffer.fill(0, at, at + BLOCK);
  buffer.write(fields.name, at, NAME_FIELD, 'latin1');
  writeOctal(buffer, at + 100, 8, fields.mode);
  writeOctal(buffer, at + 108, 8, fields.uid);
  writeOctal(buffer, at + 116, 8, fields.gid);
  writeOctal(buffer, at + 124, 12, fields.sizeBytes);
  writeOctal(buffer, at + 136, 12, fields.mtime);
  buffer[at + 156] = fields.typeFlag;
  if (fields.linkName !== '') buffer.write(fields.linkName, at + 157, NAME_FIELD, 'latin1');
  buffer.write('ustar\u000000', at + 257, 8, 'latin1');
  writeOctal(buffer, at + 329, 8, fields.major);
  writeOctal(buffer, at + 337, 8, fields.minor);
  if (fields.prefix !== '') buffer.write(fields.prefix, at + 345, PREFIX_FIELD, 'latin1');
  writeChecksum(buffer, at);
}

function writeOctal(buffer: Buffer, at: number, length: number, value: number): void {
  let i = at + length - 2;
  let rest = value;
  while (rest > 0x7fffffff) {
    buffer[i--] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
  for (rest |= 0; i >= at; i--) {
    buffer[i] = 0x30 + (rest & 7);
    rest >>= 3;
  }
}

function writeChecksum(buffer: Buffer, at: number): void {
  let sum = 8 * 0x20;
  for (let i = at; i < at + BLOCK; i++) sum += buffer[i]!;
  for (let i = at + 153; i >= at + 148; i--) {
    buffer[i] = 0x30 + (sum & 7);
    sum >>= 3;
  }
  buffer[at + 155] = 0x20;
}

/** Splits a name over the name and prefix fields; undefined when it does not fit. */
export function splitUstarName(name: string): { readonly name: string; readonly prefix: string } | undefined {
  if (name.length <= NAME_FIELD) return { name, prefix: '' };
  if (name.length > NAME_FIELD + 1 + PREFIX_FIELD) return undefined;
  const slash = name.indexOf('/', name.length - NAME_FIELD - 1);
  if (slash <= 0 || slash > PREFIX_FIELD || slash === name.length - 1) return undefined;
  return { name: name.slice(slash + 1), prefix: name.slice(0, slash) };
}

/** A header block as found, before extended headers are applied. */
export interface RawHeader {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtime: number;
  readonly typeFlag: string;
  readonly linkName: string;
  readonly major: number;
  readonly minor: number;
  /** The block itself, for the fields of old GNU sparse members; only valid until more is read. */
  readonly block: Buffer;
}

export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** True when the block's checksum is right, counted as unsigned bytes or (as some old writers did) as signed ones. */
export function hasValidChecksum(block: Buffer): boolean {
  const stored = parseNumber(block, 148, 8);
  if (stored === undefined) return false;
  // The checksum itself counts as spaces.
  let sum = 8 * 0x20;
  for (let i = 0; i < 148; i++) sum += block[i]!;
  for (let i = 156; i < BLOCK; i++) sum += block[i]!;
  if (stored === sum) return true;
  for (let i = 0; i < BLOCK; i++) if (block[i]! >= 0x80 && (i < 148 || i >= 156)) sum -= 256;
  return stored === sum;
}

/**
 * Reads a header block of any dialect: v7, ustar, star, GNU. `offset` is its place in the archive.
 *
 * @throws BuildError `ARCHIVE_INVALID`
 */
export function parseHeader(block: Buffer, offset: number): RawHeader {
  if (!hasValidChecksum(block)) throw damaged(offset, 'this is no tar header (its checksum is wrong)');
  const number = (at: number, length: number, what: string): number => {
    const value = parseNumber(block, at, length);
    if (value === undefined) throw damaged(offset, `the ${what} is not a number`);
    return value;
  };
  const name = textField(block, 0, NAME_FIELD);
  const prefix = prefixOf(block);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(100, 8, 'mode') & 0o7777,
    uid: number(108, 8, 'owner'),
    gid: number(116, 8, 'group'),
    sizeBytes: number(124, 12, 'size'),
    mtime: number(136, 12, 'modification time'),
    typeFlag: String.fromCharCode(block[156]!),
    linkName: textField(block, 157, NAME_FIELD),
    major: isUstarLike(block) ? number(329, 8, 'device number') : 0,
    minor: isUstarLike(block) ? number(337, 8, 'device number') : 0,
    block,
  };
}

/** `ustar` is followed by NUL in POSIX and by a space in old GNU archives; v7 has no magic. */
function isUstarLike(block: Buffer): boolean {
  return block.toString('latin1', 257, 262) === 'ustar';
}

/** Only POSIX archives have a name prefix (star's is shorter); GNU keeps other things there. */
function prefixOf(block: Buffer): string {
  if (block.toString('latin1', 257, 263) !== 'ustar\0') return '';
  const isStar = block.toString('latin1', 508, 512) === 'tar\0';
  return textField(block, 345, isStar ? 131 : PREFIX_FIELD);
}

function textField(block: Buffer, at: number, length: number): string {
  let end = at;
  while (end < at + length && block[end] !== 0) end++;
  return block.toString('latin1', at, end);
}

/** An octal or base-256 number field; empty counts as 0; undefined when it is neither, or beyond 2^53. */
export function parseNumber(block: Buffer, at: number, length: number): number | undefined {
  const first = block[at]!;
  if (first === 0x80 || first === 0xff) return parseBase256(block, at, length);
  let i = at;
  const end = at + length;
  while (i < end && (block[i] === 0x20 || block[i] === 0)) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = block[i]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) if (block[i] !== 0x20 && block[i] !== 0) return undefined;
  return value;
}

function parseBase256(block: Buffer, at: number, length: number): number | undefined {
  const negative = block[at] === 0xff;
  let value = negative ? -1 : 0;
  for (let i = at + 1; i < at + length; i++) value = value * 256 + block[i]!;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** `ARCHIVE_INVALID` with the place of the damage. */
export function damaged(offset: number, why: string): BuildError<'ARCHIVE_INVALID'> {
  return new BuildError('ARCHIVE_INVALID', `The tar archive cannot be read: at byte ${offset}, ${why}.`, {
    hint: 'The archive is incomplete, damaged, or not a tar archive.',
  });
}
