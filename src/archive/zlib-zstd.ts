import type { Transform } from 'node:stream';
import zlib from 'node:zlib';

/** What newer versions of `node:zlib` (22.15, 23.8) have for Zstandard. */
interface ZstdZlib {
  createZstdCompress(options?: { readonly params?: Readonly<Record<number, number>> }): Transform;
  createZstdDecompress(options?: { readonly params?: Readonly<Record<number, number>> }): Transform;
  readonly constants: { readonly ZSTD_c_compressionLevel: number; readonly ZSTD_d_windowLogMax: number };
}

/** The Zstandard functions of this Node.js; undefined before 22.15. */
export function findZlibZstd(): ZstdZlib | undefined {
  return 'createZstdCompress' in zlib ? (zlib as unknown as ZstdZlib) : undefined;
}
