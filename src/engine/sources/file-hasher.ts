import crypto from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type Content, readContent } from '../../archive/index.ts';
import { BuildError } from '../../core/index.ts';

const BUFFER_BYTES = 1 << 20;

/** Node before 20.12 and 21.7 has no hash in one call. */
const oneShot: ((algorithm: string, data: Uint8Array, encoding: 'hex') => string) | undefined = (
  crypto as { hash?: typeof crypto.hash }
).hash;

let shared: Buffer | undefined;

/**
 * SHA-256 of a file's content in hex. Host files are read synchronously into one buffer that all calls share: no promise, no
 * allocation per file.
 *
 * @throws BuildError `CONTEXT_INVALID` when it cannot be read, or is not `sizeBytes` long.
 */
export function hashContent(content: Content, sizeBytes: number): string {
  if (content.kind === 'bytes') return crypto.createHash('sha256').update(content.bytes).digest('hex');
  if (content.kind === 'host-file') return hashHostFile(content.path, sizeBytes);
  const hash = crypto.createHash('sha256');
  for (const chunk of readContent(content, sizeBytes)) hash.update(chunk);
  return hash.digest('hex');
}

function hashHostFile(path: string | Buffer, sizeBytes: number): string {
  const fd = open(path);
  try {
    shared ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
    // One byte more than announced shows a file that grew.
    const first = readSync(fd, shared, 0, Math.min(sizeBytes + 1, BUFFER_BYTES), null);
    if (first === sizeBytes && first < BUFFER_BYTES) {
      const bytes = shared.subarray(0, first);
      return oneShot === undefined
        ? crypto.createHash('sha256').update(bytes).digest('hex')
        : oneShot('sha256', bytes, 'hex');
    }
    return hashRest({ fd, path, sizeBytes, first, buffer: shared });
  } finally {
    closeSync(fd);
  }
}

interface OpenFile {
  readonly fd: number;
  readonly path: string | Buffer;
  readonly sizeBytes: number;
  /** Bytes that are in the buffer already. */
  readonly first: number;
  readonly buffer: Buffer;
}

function hashRest({ fd, path, sizeBytes, first, buffer }: OpenFile): string {
  const hash = crypto.createHash('sha256');
  let total = 0;
  for (let count = first; count > 0; count = readSync(fd, buffer, 0, BUFFER_BYTES, null)) {
    hash.update(buffer.subarray(0, count));
    total += count;
    if (total > sizeBytes) break;
  }
  if (total === sizeBytes) return hash.digest('hex');
  throw new BuildError('CONTEXT_INVALID', `"${String(path)}" changed while it was read.`, {
    hint: 'Build again when nothing writes to the file, or exclude it with .dockerignore.',
  });
}

function open(path: string | Buffer): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw new BuildError('CONTEXT_INVALID', `"${String(path)}" cannot be read: ${(error as Error).message}`, {
      cause: error,
      hint: 'Make it readable for the user who builds, or exclude it with .dockerignore.',
    });
  }
}
