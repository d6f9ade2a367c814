import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { BuildError } from '../core/index.ts';
import { crc32 } from './crc32.ts';
import { throughTransform } from './decompress.ts';
import { findZlibZstd } from './zlib-zstd.ts';

export interface CompressGzipOptions {
  /** 1 (fastest) to 9 (smallest); default 6. */
  readonly level?: number;
  /** Chunks compressed at once; default the number of cores. It does not change the bytes. */
  readonly concurrency?: number;
}

/** Part of the format of our output: another size would give other bytes. */
const CHUNK_BYTES = 1 << 20;
const DICTIONARY_BYTES = 32 << 10;
/** Where a sample keeps a larger share of its size, deflate is not worth its time. */
const LEAST_SHARE = 0.98;
const STORED_BYTES = 0xffff;
/** RFC 1952: deflate, no flags, no time, no extra flags, unknown system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
/** An empty last block, which ends the chunks that were flushed to byte boundaries. */
const LAST_BLOCK = Buffer.from([0x03, 0x00]);
const deflateRaw = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.deflateRaw);

/**
 * Compresses into one gzip member on all cores. Chunks of 1 MiB are deflated on libuv's threads, each with the 32 KiB before
 * it as dictionary, so that little is lost by the split; chunks that do not get smaller are stored. The bytes depend on the
 * content and level alone (and on the version of zlib in Node.js): not on chunks of the source, concurrency, time or names.
 * Memory: about 3 MiB per chunk at work.
 */
export async function* compressGzip(
  source: AsyncIterable<Uint8Array>,
  options: CompressGzipOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { level = 6, concurrency = availableParallelism() } = options;
  const atWork: Promise<Buffer>[] = [];
  let dictionary: Buffer | undefined;
  let checksum = 0;
  let sizeBytes = 0;
  yield HEADER;
  try {
    for await (const chunk of inChunks(source)) {
      checksum = crc32(chunk, checksum);
      sizeBytes += chunk.length;
      atWork.push(deflateChunk(chunk, { level, dictionary }));
      dictionary = Buffer.from(chunk.subarray(-DICTIONARY_BYTES));
      if (atWork.length > concurrency) yield await atWork.shift()!;
    }
    while (atWork.length > 0) yield await atWork.shift()!;
  } finally {
    await Promise.allSettled(atWork);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(sizeBytes % 2 ** 32, 4);
  yield Buffer.concat([LAST_BLOCK, trailer]);
}

/** What no compressor makes smaller is stored: deflate would take 27 ms for a MiB of it, and the test takes 2. */
async function deflateChunk(
  chunk: Buffer,
  { level, dictionary }: { readonly level: number; readonly dictionary: Buffer | undefined },
): Promise<Buffer> {
  if (await isIncompressible(chunk)) return storedBlocks(chunk);
  return deflateRaw(chunk, {
    level,
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
    chunkSize: CHUNK_BYTES,
    ...(dictionary === undefined ? {} : { dictionary }),
  });
}

/** Judged by two stretches, each as long as deflate looks back. */
async function isIncompressible(chunk: Buffer): Promise<boolean> {
  if (chunk.length < 4 * DICTIONARY_BYTES) return false;
  const middle = chunk.length >> 1;
  const stretches = [chunk.subarray(0, DICTIONARY_BYTES), chunk.subarray(middle, middle + DICTIONARY_BYTES)];
  const sample = Buffer.concat(stretches);
  return (await deflateRaw(sample, { level: 1 })).length > LEAST_SHARE * sample.length;
}

/** Blocks without compression (RFC 1951, 3.2.4); each begins and ends at a byte. */
function storedBlocks(chunk: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < chunk.length; at += STORED_BYTES) {
    const part = chunk.subarray(at, at + STORED_BYTES);
    const head = Buffer.alloc(5);
    head.writeUInt16LE(part.length, 1);
    head.writeUInt16LE(part.length ^ 0xffff, 3);
    parts.push(head, part);
  }
  return Buffer.concat(parts);
}

/** Cuts a stream into chunks of exactly 1 MiB, but for the last. */
async function* inChunks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let used = 0;
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + CHUNK_BYTES - used);
      chunk.set(part, used);
      used += part.length;
      at += part.length;
      if (used < CHUNK_BYTES) continue;
      yield chunk;
      chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      used = 0;
    }
  }
  if (used > 0) yield chunk.subarray(0, used);
}

export interface CompressZstdOptions {
  /** 1 to 19; default 3. */
  readonly level?: number;
}

/** Compresses into one Zstandard frame. @throws BuildError `UNSUPPORTED` where Node.js is older than 22.15. */
export async function* compressZstd(
  source: AsyncIterable<Uint8Array>,
  options: CompressZstdOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const zstd = findZlibZstd();
  if (zstd === undefined) {
    throw new BuildError(
      'UNSUPPORTED',
      `Layers cannot be compressed with zstd: Node.js ${process.versions.node} lacks it.`,
      {
        hint: 'Use Node.js 22.15 or later, or gzip.',
      },
    );
  }
  const params = { [zstd.constants.ZSTD_c_compressionLevel]: options.level ?? 3 };
  yield* throughTransform(source, zstd.createZstdCompress({ params }));
}
