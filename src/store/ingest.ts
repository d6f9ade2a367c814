import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BlobId, BuildError, createDigester, type Digest, digestAlgorithm } from '../core/index.ts';
import { writeFully } from './durable.ts';
import { guard, systemCode } from './store-error.ts';
import type { StoreHome } from './store-home.ts';
import type { Ingest } from './types.ts';

/** What an ingest does beside writing. */
export interface IngestOptions {
  readonly algorithm?: 'sha256' | 'sha512';
  /** Told the digest before the blob appears, so that it is protected from its first moment. */
  readonly beforePublish: (digest: Digest) => Promise<void>;
}

/**
 * Starts a blob in a temporary file. It is hashed while it is written, in this thread: at 1 GiB in MiB chunks the hash took
 * 0.7 s and the write 0.4 s of one core (OpenSSL, ext4), and the other core is busy with other steps of the build.
 */
export function createIngest(home: StoreHome, options: IngestOptions): Ingest {
  const action = `write a blob to ${home.paths.root}`;
  const temporaryPath = home.temporaryPath('blob');
  const digester = createDigester(options.algorithm);
  const fd = guard(action, () => openSync(temporaryPath, 'wx', 0o644));
  let sizeBytes = 0;
  let open = true;
  const close = (): void => {
    if (open) closeSync(fd);
    open = false;
  };
  const drop = (): void => {
    close();
    rmSync(temporaryPath, { force: true });
  };
  return {
    write: (bytes) => {
      if (!open) throw new BuildError('INTERNAL', 'A blob was written to after its end.');
      guard(action, () => writeFully(fd, bytes));
      digester.update(bytes);
      sizeBytes += bytes.length;
    },
    commit: async (expected) => {
      if (!open) throw new BuildError('INTERNAL', 'A blob was ended twice.');
      close();
      const blob: BlobId = { digest: digester.digest(), sizeBytes };
      if (expected !== undefined && !sameBlob(expected, blob)) {
        drop();
        throw mismatch(expected, blob);
      }
      await options.beforePublish(blob.digest);
      guard(action, () => publish(temporaryPath, home.paths.blob(blob.digest), sizeBytes));
      return blob;
    },
    abort: async () => drop(),
  };
}

/** An existing blob of another size is what a power cut left of it, and gives way. */
function publish(temporaryPath: string, path: string, sizeBytes: number): void {
  if (statSync(path, { throwIfNoEntry: false })?.size === sizeBytes) {
    rmSync(temporaryPath, { force: true });
    return;
  }
  try {
    renameSync(temporaryPath, path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    renameSync(temporaryPath, path);
  }
}

function sameBlob(a: BlobId, b: BlobId): boolean {
  return a.digest === b.digest && a.sizeBytes === b.sizeBytes;
}

/** The algorithm with which a blob of this digest is written. */
export function ingestAlgorithm(digest: Digest | undefined): 'sha256' | 'sha512' {
  return digest === undefined ? 'sha256' : digestAlgorithm(digest);
}

/** The error for bytes that are not those which a digest and size name. */
export function mismatch(expected: BlobId, actual: BlobId): BuildError {
  return new BuildError(
    'BLOB_DIGEST_MISMATCH',
    `Blob ${expected.digest} (${expected.sizeBytes} bytes) turned out to be ${actual.digest} (${actual.sizeBytes} bytes).`,
    {
      facts: { expected: expected.digest, actual: actual.digest },
      hint: 'The bytes were damaged on their way or at their source; nothing was kept. Try again.',
    },
  );
}
