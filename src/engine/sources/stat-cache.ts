import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type BytePath, digestHex, digestOf } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import type { FileStamp } from './host-tree.ts';

/**
 * SHA-256 digests of a directory's files by their stat data, kept between builds: an unchanged file is not read again. A file
 * that changed less than two seconds before it was read is not remembered: a later change may have the same time stamps.
 */
export interface StatCache {
  /** Hex digest of a file whose stat data are those of the last time; undefined where it has to be read. */
  get(path: BytePath, stamp: FileStamp): string | undefined;
  set(path: BytePath, stamp: FileStamp, digest: string): void;
  /** Writes what is new. `isGone` tells which paths of earlier builds are no more; the others are kept. */
  save(isGone: (path: BytePath) => boolean): Promise<void>;
}

const MAGIC = 'zlstat1\n';
const FIELDS = 6;
const FIELD_BYTES = FIELDS * 8;
const DIGEST_BYTES = 32;
const HEADER_BYTES = MAGIC.length + 8;
const RACY_MS = 2000;

/** What was read from the store: records are compared where they lie, without being parsed. */
interface Saved {
  readonly numbers: Float64Array;
  readonly digests: Buffer;
  readonly index: ReadonlyMap<BytePath, number>;
}

const NOTHING: Saved = { numbers: new Float64Array(), digests: Buffer.alloc(0), index: new Map() };

/** Opens the cache of a directory; a file that is missing or damaged counts as empty. */
export async function openStatCache(store: Store, directory: string): Promise<StatCache> {
  const area = store.area('stat-cache');
  const key = digestHex(digestOf(directory));
  const saved = (await area.has(key)) ? readSaved(area.path(key)) : NOTHING;
  const fresh = new Map<BytePath, { readonly stamp: FileStamp; readonly digest: string }>();
  return {
    get(path, stamp) {
      const at = saved.index.get(path);
      if (at !== undefined && isSame(saved.numbers, at * FIELDS, stamp)) {
        return saved.digests.toString('hex', at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
      }
      const known = fresh.get(path);
      return known !== undefined && known.stamp === stamp ? known.digest : undefined;
    },
    set(path, stamp, digest) {
      if (Math.max(stamp.mtimeMs, stamp.ctimeMs) < Date.now() - RACY_MS) fresh.set(path, { stamp, digest });
    },
    async save(isGone) {
      if (fresh.size === 0) return;
      const kept = [...saved.index].filter(([path]) => !fresh.has(path) && !isGone(path));
      const bytes = encode(saved, { kept, fresh: [...fresh] });
      await area.remove(key);
      await area.create(key, (path) => writeFile(path, bytes));
    },
  };
}

function isSame(numbers: Float64Array, at: number, stamp: FileStamp): boolean {
  return (
    numbers[at] === stamp.device &&
    numbers[at + 1] === stamp.inode &&
    numbers[at + 2] === stamp.sizeBytes &&
    numbers[at + 3] === stamp.mtimeMs &&
    numbers[at + 4] === stamp.ctimeMs &&
    numbers[at + 5] === stamp.mode
  );
}

/** Magic, count and length of the names (u32), then stamps (f64), digests, names separated by NUL. */
function encode(
  saved: Saved,
  records: {
    readonly kept: ReadonlyArray<readonly [BytePath, number]>;
    readonly fresh: ReadonlyArray<readonly [BytePath, { readonly stamp: FileStamp; readonly digest: string }]>;
  },
): Buffer {
  const count = records.kept.length + records.fresh.length;
  const names = Buffer.from([...records.kept, ...records.fresh].map(([path]) => path).join('\0'), 'latin1');
  const digestsAt = HEADER_BYTES + count * FIELD_BYTES;
  const namesAt = digestsAt + count * DIGEST_BYTES;
  const bytes = Buffer.alloc(namesAt + names.length);
  const numbers = new Float64Array(bytes.buffer, bytes.byteOffset + HEADER_BYTES, count * FIELDS);
  bytes.write(MAGIC, 'latin1');
  bytes.writeUInt32LE(count, MAGIC.length);
  bytes.writeUInt32LE(names.length, MAGIC.length + 4);
  records.kept.forEach(([, from], to) => {
    numbers.set(saved.numbers.subarray(from * FIELDS, (from + 1) * FIELDS), to * FIELDS);
    saved.digests.copy(bytes, digestsAt + to * DIGEST_BYTES, from * DIGEST_BYTES, (from + 1) * DIGEST_BYTES);
  });
  records.fresh.forEach(([, { stamp, digest }], i) => {
    const to = records.kept.length + i;
    const fields = [stamp.device, stamp.inode, stamp.sizeBytes, stamp.mtimeMs, stamp.ctimeMs, stamp.mode];
    numbers.set(fields, to * FIELDS);
    bytes.write(digest, digestsAt + to * DIGEST_BYTES, 'hex');
  });
  names.copy(bytes, namesAt);
  return bytes;
}

function readSaved(file: string): Saved {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return NOTHING;
  }
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return NOTHING;
  const count = bytes.readUInt32LE(MAGIC.length);
  const digestsAt = HEADER_BYTES + count * FIELD_BYTES;
  const namesAt = digestsAt + count * DIGEST_BYTES;
  if (bytes.length !== namesAt + bytes.readUInt32LE(MAGIC.length + 4)) return NOTHING;
  // Doubles need their alignment, which a pooled buffer may not have.
  const numbers = new Float64Array(bytes.buffer.slice(bytes.byteOffset + HEADER_BYTES, bytes.byteOffset + digestsAt));
  const names = count === 0 ? [] : bytes.toString('latin1', namesAt).split('\0');
  if (names.length !== count) return NOTHING;
  return { numbers, digests: bytes.subarray(digestsAt, namesAt), index: new Map(names.map((name, i) => [name, i])) };
}
