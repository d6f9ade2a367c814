import { isUtf8 } from 'node:buffer';
import { BuildError, bytesOfPath, textOfPath } from '../core/index.ts';
import type { Entry } from './entry.ts';
import { formatPaxRecord } from './pax.ts';
import { BLOCK, MAX_ID, MAX_SIZE, NAME_FIELD, splitUstarName, TYPE_FLAGS, writeHeader } from './tar-header.ts';

/** Takes the bytes of an archive. The chunk is only valid during the call: its memory is used again. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
}

/** Encodes tar members into a large buffer that is handed to a sink whenever it is full. */
export interface TarEncoder {
  /** Offset in the archive of the byte that comes next. */
  readonly position: number;
  /** Writes the header of an entry, with a PAX header before it when it needs one. */
  header(entry: Entry): void;
  append(bytes: Uint8Array): void;
  /**
   * Appends `sizeBytes` bytes that `read` puts into the buffer. `read` gets one byte more room than is left, where the
   * buffer has it, so that a source that is too long shows itself; it returns how many bytes it read.
   */
  fill(sizeBytes: number, read: (into: Buffer, at: number, length: number) => number): FillResult;
  /** Completes the last block of a member's content. */
  pad(): void;
  /** Writes the end mark (1024 zero bytes) and hands out what is left. */
  end(): void;
}

/** Whether a source had exactly the bytes that were asked for; `short` tells how many came. */
export type FillResult =
  | { readonly kind: 'exact' }
  | { readonly kind: 'short'; readonly found: number }
  | { readonly kind: 'long' };

const DEFAULT_BUFFER_BYTES = 4 << 20;
const EXACT: FillResult = { kind: 'exact' };
const PAX_HEADER_NAME = '././@PaxHeader';
const NON_ASCII = /[^\u0000-\u007f]/;

export function createTarEncoder(sink: ByteSink, bufferBytes: number = DEFAULT_BUFFER_BYTES): TarEncoder {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes);
  let used = 0;
  let flushed = 0;

  const flush = (): void => {
    if (used === 0) return;
    sink.write(buffer.subarray(0, used));
    flushed += used;
    used = 0;
  };
  const room = (bytes: number): void => {
    if (used + bytes > buffer.length) flush();
  };
  const zeros = (count: number): void => {
    room(count);
    buffer.fill(0, used, used + count);
    used += count;
  };

  const encoder: TarEncoder = {
    get position() {
      return flushed + used;
    },
    header(entry) {
      const name = entry.path === '' ? './' : entry.type === 'directory' ? `${entry.path}/` : entry.path;
      const linkName = entry.linkTarget ?? '';
      if (name.includes('\0') || linkName.includes('\0')) throw unencodable(entry, 'its name has a NUL byte');
      const records = paxRecordsOf(entry, name, linkName);
      if (records !== '') appendPaxHeader(records);
      const split = name.length <= NAME_FIELD ? undefined : splitUstarName(name);
      room(BLOCK);
      writeHeader(buffer, used, {
        name: split?.name ?? name,
        prefix: split?.prefix ?? '',
        mode: entry.mode,
        uid: entry.uid > MAX_ID ? 0 : entry.uid,
        gid: entry.gid > MAX_ID ? 0 : entry.gid,
        sizeBytes: entry.type !== 'file' || entry.sizeBytes > MAX_SIZE ? 0 : entry.sizeBytes,
        mtime: isOctalTime(entry.mtime) ? Math.floor(entry.mtime) : 0,
        typeFlag: TYPE_FLAGS[entry.type],
        linkName: linkName.slice(0, NAME_FIELD),
        major: entry.device === undefined ? 0 : deviceNumber(entry, entry.device.major),
        minor: entry.device === undefined ? 0 : deviceNumber(entry, entry.device.minor),
      });
      used += BLOCK;
    },
    append(bytes) {
      let at = 0;
      while (at < bytes.length) {
        room(1);
        const part = bytes.subarray(at, at + buffer.length - used);
        buffer.set(part, used);
        used += part.length;
        at += part.length;
      }
    },
    fill(sizeBytes, read) {
      let left = sizeBytes;
      while (left > 0) {
        room(1);
        const count = read(buffer, used, Math.min(left + 1, buffer.length - used));
        if (count <= 0) return { kind: 'short', found: sizeBytes - left };
        if (count > left) return { kind: 'long' };
        used += count;
        left -= count;
      }
      return EXACT;
    },
    pad() {
      const rest = (flushed + used) % BLOCK;
      if (rest !== 0) zeros(BLOCK - rest);
    },
    end() {
      zeros(2 * BLOCK);
      flush();
    },
  };

  const appendPaxHeader = (records: string): void => {
    const body = Buffer.from(records, 'latin1');
    room(BLOCK);
    writeHeader(buffer, used, {
      name: PAX_HEADER_NAME,
      prefix: '',
      mode: 0,
      uid: 0,
      gid: 0,
      sizeBytes: body.length,
      mtime: 0,
      typeFlag: TYPE_FLAGS.pax,
      linkName: '',
      major: 0,
      minor: 0,
    });
    used += BLOCK;
    encoder.append(body);
    encoder.pad();
  };
  return encoder;
}

/** Before 1970 the digits count away from zero (POSIX, pax). */
function formatTime(mtime: number, nanoseconds: number): string {
  const isBefore = mtime < 0;
  const [seconds, rest] = isBefore ? [-1 - mtime, 1_000_000_000 - nanoseconds] : [mtime, nanoseconds];
  return `${isBefore ? '-' : ''}${seconds}.${String(rest).padStart(9, '0')}`;
}

function isOctalTime(mtime: number): boolean {
  return mtime >= 0 && mtime < MAX_SIZE + 1;
}

/**
 * Keywords are sorted, as Go's writer sorts them. Names that are not UTF-8 stay raw bytes in the header when they fit:
 * the standard wants UTF-8 in records, and readers agree on nothing else there.
 */
function paxRecordsOf(entry: Entry, name: string, linkName: string): string {
  let records = '';
  if (entry.gid > MAX_ID) records += formatPaxRecord('gid', String(entry.gid));
  if (linkName.length > NAME_FIELD || isNonAsciiUtf8(linkName)) records += formatPaxRecord('linkpath', linkName);
  if (entry.nanoseconds) records += formatPaxRecord('mtime', formatTime(entry.mtime, entry.nanoseconds));
  else if (!isOctalTime(entry.mtime)) records += formatPaxRecord('mtime', String(Math.floor(entry.mtime)));
  if (isNonAsciiUtf8(name) || (name.length > NAME_FIELD && splitUstarName(name) === undefined))
    records += formatPaxRecord('path', name);
  if (entry.type === 'file' && entry.sizeBytes > MAX_SIZE) records += formatPaxRecord('size', String(entry.sizeBytes));
  if (entry.uid > MAX_ID) records += formatPaxRecord('uid', String(entry.uid));
  return entry.xattrs === undefined || entry.xattrs.size === 0 ? records : xattrRecordsOf(entry) + records;
}

function xattrRecordsOf(entry: Entry): string {
  const names = [...entry.xattrs!.keys()].sort();
  return names
    .map((name) => {
      if (name === '' || /[=\0]/.test(name))
        throw unencodable(entry, `its attribute "${name}" has no form in a tar header`);
      const value = Buffer.from(entry.xattrs!.get(name)!).toString('latin1');
      return formatPaxRecord(`SCHILY.xattr.${Buffer.from(name, 'utf8').toString('latin1')}`, value);
    })
    .join('');
}

function isNonAsciiUtf8(text: string): boolean {
  return NON_ASCII.test(text) && isUtf8(bytesOfPath(text));
}

function deviceNumber(entry: Entry, value: number): number {
  if (value > MAX_ID) throw unencodable(entry, `its device number ${value} is too large for a tar header`);
  return value;
}

function unencodable(entry: Entry, why: string): BuildError {
  return new BuildError('ARCHIVE_INVALID', `"${textOfPath(entry.path)}" cannot be put into a layer: ${why}.`);
}
