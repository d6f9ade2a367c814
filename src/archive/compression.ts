/** How bytes are compressed. */
export type CompressionKind = 'none' | 'gzip' | 'bzip2' | 'xz' | 'zstd';

/** Enough bytes from the start for `detectCompression`. */
export const COMPRESSION_MAGIC_BYTES = 6;

const MAGICS: ReadonlyArray<readonly [CompressionKind, readonly number[]]> = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
];

/** Tells the compression from the first bytes (6 are enough); `none` when they are no known magic number. */
export function detectCompression(bytes: Uint8Array): CompressionKind {
  for (const [kind, magic] of MAGICS) {
    if (bytes.length >= magic.length && magic.every((byte, i) => bytes[i] === byte)) return kind;
  }
  return isSkippableZstdFrame(bytes) ? 'zstd' : 'none';
}

/** Zstandard streams may begin with a skippable frame (RFC 8878, 3.1.2), as those with a seek table do. */
function isSkippableZstdFrame(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 4 && (bytes[0]! & 0xf0) === 0x50 && bytes[1] === 0x2a && bytes[2] === 0x4d && bytes[3] === 0x18
  );
}
