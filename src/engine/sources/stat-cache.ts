import { readFileSync, writeFileSync } from 'node:fs';
import { type BytePath, digestHex, digestOf } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import { createStampTable, STAMP_FIELDS, type StampRow, type StampTable } from './stamp-table.ts';

/** A file's stat data, as a row of a table. */
export interface FileStamp {
  readonly table: StampTable;
  readonly row: StampRow;
}

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

/** Digests by path and stamp. */
interface Records {
  readonly names: readonly BytePath[];
  readonly stamps: StampTable;
  readonly digests: Buffer;
}

const MAGIC = 'zlstat2\n';
const DIGEST_BYTES = 32;
const HEADER_BYTES = MAGIC.length + 8;
const RACY_MS = 2000;
/** How far ahead of the last one a name is looked for before all names are indexed. */
const LOOK_AHEAD = 8;
const NOTHING: Records = { names: [], stamps: createStampTable(), digests: Buffer.alloc(0) };

/** Opens the cache of a directory; a file that is missing or damaged counts as empty. */
export async function openStatCache(store: Store, directory: string): Promise<StatCache> {
  const area = store.area('stat-cache');
  const key = digestHex(digestOf(directory));
  const saved = (await area.has(key)) ? readSaved(area.path(key)) : NOTHING;
  const find = createFinder(saved.names);
  const fresh = new Map<BytePath, { readonly stamp: FileStamp; readonly digest: string }>();
  /** In the order in which files were asked for: the next build will ask in the same. */
  const asked: BytePath[] = [];
  let isDirty = false;

  return {
    get(path, stamp) {
      asked.push(path);
      const at = find(path);
      if (at !== undefined && saved.stamps.equals(at, stamp.table, stamp.row)) {
        return saved.digests.toString('hex', at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
      }
      const known = fresh.get(path);
      return known?.stamp.row === stamp.row && known.stamp.table === stamp.table ? known.digest : undefined;
    },
    set(path, stamp, digest) {
      if (stamp.table.changedMs(stamp.row) >= Date.now() - RACY_MS) return;
      fresh.set(path, { stamp, digest });
      isDirty = true;
    },
    async save(isGone) {
      if (!isDirty) return;
      isDirty = false;
      const names = new Set([...asked, ...saved.names.filter((path) => !isGone(path))]);
      const encoder = createEncoder();
      for (const path of names) {
        const own = fresh.get(path);
        const at = own === undefined ? find(path) : undefined;
        if (own !== undefined) encoder.add(path, own.stamp, own.digest);
        else if (at !== undefined) {
          const digest = saved.digests.toString('hex', at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
          encoder.add(path, { table: saved.stamps, row: at }, digest);
        }
      }
      const bytes = encoder.finish();
      await area.remove(key);
      await area.create(key, async (path) => writeFileSync(path, bytes));
    },
  };
}

/** Finds names that are asked for in the order of the list without an index; the others through one that is made then. */
function createFinder(names: readonly BytePath[]): (path: BytePath) => number | undefined {
  let next = 0;
  let index: ReadonlyMap<BytePath, number> | undefined;
  return (path) => {
    for (let at = next; at < next + LOOK_AHEAD; at++) {
      if (names[at] !== path) continue;
      next = at + 1;
      return at;
    }
    index ??= new Map(names.map((name, at) => [name, at]));
    const at = index.get(path);
    if (at !== undefined) next = at + 1;
    return at;
  };
}

/** Magic, count and length of the names (u32), then stamps (f64), digests, names separated by NUL. */
function createEncoder(): { add(path: BytePath, stamp: FileStamp, digest: string): void; finish(): Buffer } {
  const names: BytePath[] = [];
  const digests: string[] = [];
  const stamps = createStampTable();
  return {
    add(path, stamp, digest) {
      names.push(path);
      digests.push(digest);
      stamps.addFrom(stamp.table, stamp.row);
    },
    finish() {
      const count = names.length;
      const text = Buffer.from(names.join('\0'), 'latin1');
      const header = Buffer.alloc(HEADER_BYTES);
      header.write(MAGIC, 'latin1');
      header.writeUInt32LE(count, MAGIC.length);
      header.writeUInt32LE(text.length, MAGIC.length + 4);
      const numbers = stamps.numbers();
      const rows = Buffer.from(numbers.buffer, numbers.byteOffset, count * STAMP_FIELDS * 8);
      return Buffer.concat([header, rows, Buffer.from(digests.join(''), 'hex'), text]);
    },
  };
}

function readSaved(file: string): Records {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    return NOTHING;
  }
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return NOTHING;
  const count = bytes.readUInt32LE(MAGIC.length);
  const digestsAt = HEADER_BYTES + count * STAMP_FIELDS * 8;
  const namesAt = digestsAt + count * DIGEST_BYTES;
  if (bytes.length !== namesAt + bytes.readUInt32LE(MAGIC.length + 4)) return NOTHING;
  const names = count === 0 ? [] : bytes.toString('latin1', namesAt).split('\0');
  if (names.length !== count) return NOTHING;
  // Doubles need their alignment, which a pooled buffer may not have.
  const numbers = new Float64Array(bytes.buffer.slice(bytes.byteOffset + HEADER_BYTES, bytes.byteOffset + digestsAt));
  return { names, stamps: createStampTable(numbers), digests: bytes.subarray(digestsAt, namesAt) };
}
