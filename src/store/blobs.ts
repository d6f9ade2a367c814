import { readFileSync, type Stats, statSync, utimesSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type BlobId, BuildError, createDigester, type Digest, digestAlgorithm, digestOf } from '../core/index.ts';
import { createIngest, ingestAlgorithm, mismatch } from './ingest.ts';
import { guard, guardAsync, systemCode, toStoreError } from './store-error.ts';
import type { StoreHome } from './store-home.ts';
import type { BlobStore, Ingest } from './types.ts';

const CHUNK_BYTES = 1 << 20;
/** How exactly the last use of a blob is known: not every look is worth a write. */
const TOUCH_AFTER_MS = 60_000;

/** What the blob store asks of the rest of the store. */
export interface BlobStoreOptions {
  /** Told every digest that is about to appear. */
  readonly beforePublish: (digest: Digest) => Promise<void>;
  /** Waits out a garbage collection that may have moved something which it will put back. */
  readonly whenUnlocked: () => Promise<void>;
}

export function createBlobStore(home: StoreHome, options: BlobStoreOptions): BlobStore {
  const { paths } = home;
  const look = async (digest: Digest): Promise<Stats | undefined> => {
    const path = paths.blob(digest);
    const stat = statOf(path);
    if (stat !== undefined) return stat;
    await options.whenUnlocked();
    return statOf(path);
  };
  const stat = async (digest: Digest): Promise<BlobId | undefined> => {
    const found = await look(digest);
    if (found === undefined) return undefined;
    touch(paths.blob(digest), found);
    return { digest, sizeBytes: found.size };
  };
  const has = async (blob: BlobId): Promise<boolean> => (await stat(blob.digest))?.sizeBytes === blob.sizeBytes;
  const ingest = (digest?: Digest): Ingest =>
    createIngest(home, { algorithm: ingestAlgorithm(digest), beforePublish: options.beforePublish });
  /** Undefined when the blob went away since it was looked at; once more then, for it may come back. */
  const readWhole = async (blob: BlobId): Promise<Buffer | undefined> => {
    try {
      return readFileSync(paths.blob(blob.digest));
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw toStoreError(error, `read blob ${blob.digest}`);
      await options.whenUnlocked();
      return undefined;
    }
  };
  const read = async (blob: BlobId): Promise<Buffer> => {
    const bytes = (await has(blob)) ? ((await readWhole(blob)) ?? (await readWhole(blob))) : undefined;
    if (bytes === undefined) throw missingBlob(blob, paths.root);
    const digester = createDigester(digestAlgorithm(blob.digest));
    digester.update(bytes);
    const digest = digester.digest();
    if (digest !== blob.digest) throw mismatch(blob, { digest, sizeBytes: bytes.length });
    return bytes;
  };
  return {
    stat,
    has,
    read,
    path: paths.blob,
    ingest: async () => ingest(),
    put: async (bytes) => {
      const blob: BlobId = { digest: digestOf(bytes), sizeBytes: bytes.length };
      await options.beforePublish(blob.digest);
      if (await has(blob)) return blob;
      const target = ingest();
      return finish(target, async () => {
        target.write(bytes);
        return target.commit(blob);
      });
    },
    write: async (blob, bytes) => {
      await options.beforePublish(blob.digest);
      if (await has(blob)) return;
      const target = ingest(blob.digest);
      await finish(target, async () => {
        for await (const chunk of bytes) target.write(chunk);
        return target.commit(blob);
      });
    },
    open: (blob, { offset = 0 } = {}) => openBlob({ paths, look }, blob, offset),
  };
}

async function finish<T>(ingest: Ingest, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await ingest.abort();
    throw error;
  }
}

interface BlobPlace {
  readonly paths: StoreHome['paths'];
  readonly look: (digest: Digest) => Promise<Stats | undefined>;
}

async function* openBlob(place: BlobPlace, blob: BlobId, offset: number): AsyncGenerator<Uint8Array> {
  const path = place.paths.blob(blob.digest);
  const found = await place.look(blob.digest);
  if (found?.size !== blob.sizeBytes) throw missingBlob(blob, place.paths.root);
  // A blob that is not leased may be moved between the look and the opening; then it is looked for once more.
  const file = (await openFile(path, blob)) ?? ((await place.look(blob.digest)) && (await openFile(path, blob)));
  if (file === undefined) throw missingBlob(blob, place.paths.root);
  try {
    for (let position = offset; position < blob.sizeBytes; ) {
      const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, blob.sizeBytes - position));
      const { bytesRead } = await guardAsync(`read blob ${blob.digest}`, () =>
        file.read(buffer, 0, buffer.length, position),
      );
      if (bytesRead === 0) throw missingBlob(blob, place.paths.root);
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function openFile(path: string, blob: BlobId): Promise<FileHandle | undefined> {
  return guardAsync(`read blob ${blob.digest}`, () =>
    open(path, 'r').catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }),
  );
}

function statOf(path: string): Stats | undefined {
  return guard(`look at ${path}`, () => statSync(path, { throwIfNoEntry: false }));
}

function touch(path: string, stat: Stats): void {
  const nowMs = Date.now();
  if (Math.abs(nowMs - stat.mtimeMs) < TOUCH_AFTER_MS) return;
  try {
    utimesSync(path, nowMs / 1000, nowMs / 1000);
  } catch {
    // A store that may only be read can still be read.
  }
}

/** The error for a blob that should be there whole. */
export function missingBlob(blob: BlobId, root: string): BuildError {
  return new BuildError(
    'BLOB_MISSING',
    `Blob ${blob.digest} of ${blob.sizeBytes} bytes is not in the store ${root}, or not whole.`,
    {
      hint: 'Build or pull the image again.',
    },
  );
}
