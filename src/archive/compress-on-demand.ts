import type { CompressGzipOptions, CompressZstdOptions } from './compress.ts';
import type { CompressionKind } from './compression.ts';

// Node's compression costs a tenth of a short command's start, and most builds neither compress nor decompress: it is
// loaded when the first bytes are asked for. `compress.ts` and `decompress.ts` document the functions.

type Bytes = AsyncIterable<Uint8Array>;

/** Whether this Node.js can compress with Zstandard (22.15 and later). */
export function canCompressZstd(): boolean {
  return process.versions['zstd'] !== undefined;
}

/** See `compressGzip` in `compress.ts`. */
export async function* compressGzip(
  source: Bytes,
  options?: CompressGzipOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const codec = await import('./compress.ts');
  yield* codec.compressGzip(source, options);
}

/** See `compressZstd` in `compress.ts`. */
export async function* compressZstd(
  source: Bytes,
  options?: CompressZstdOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const codec = await import('./compress.ts');
  yield* codec.compressZstd(source, options);
}

/** See `decompress` in `decompress.ts`. */
export async function* decompress(source: Bytes, kind: CompressionKind): AsyncGenerator<Uint8Array, void, undefined> {
  const codec = await import('./decompress.ts');
  yield* codec.decompress(source, kind);
}
