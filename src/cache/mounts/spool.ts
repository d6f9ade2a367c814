import { createReadStream, existsSync, renameSync, statSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BlobId, BuildError, createDigester, type Digest, digestHex } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { BlobStore, Store } from '../../store/index.ts';

/** Blobs on their way to another place: they are gone when that has them, and the store never holds them. */
export interface Spool {
  write(mediaType: string, bytes: AsyncIterable<Uint8Array>): Promise<Descriptor>;
  /** The store with these blobs alone. */
  readonly store: Store;
  close(): Promise<void>;
}

/** A spool in a directory of the store, which is swept should this process die. */
export async function openSpool(store: Store): Promise<Spool> {
  const directory = await store.makeTempDir('cache-mounts');
  const pathOf = (digest: Digest): string => join(directory, digestHex(digest));
  let count = 0;
  const write = async (mediaType: string, bytes: AsyncIterable<Uint8Array>): Promise<Descriptor> => {
    const temporary = join(directory, `new-${count++}`);
    const digester = createDigester();
    const file = await open(temporary, 'wx');
    let size = 0;
    try {
      for await (const chunk of bytes) {
        digester.update(chunk);
        size += chunk.length;
        await file.writeFile(chunk);
      }
    } finally {
      await file.close();
    }
    const digest = digester.digest();
    renameSync(temporary, pathOf(digest));
    return { mediaType, digest, size };
  };
  return {
    write,
    store: { ...store, blobs: { ...store.blobs, ...readers(pathOf) } },
    close: () => rm(directory, { recursive: true, force: true }),
  };
}

function readers(pathOf: (digest: Digest) => string): Pick<BlobStore, 'open' | 'has' | 'stat' | 'path'> {
  const stat = async (digest: Digest): Promise<BlobId | undefined> => {
    const found = statSync(pathOf(digest), { throwIfNoEntry: false });
    return found === undefined ? undefined : { digest, sizeBytes: found.size };
  };
  return {
    path: pathOf,
    stat,
    has: async ({ digest }) => existsSync(pathOf(digest)),
    open: async function* ({ digest }, options) {
      if (!existsSync(pathOf(digest))) throw new BuildError('BLOB_MISSING', `The blob ${digest} is not here.`);
      yield* createReadStream(pathOf(digest), { start: options?.offset ?? 0 }) as AsyncIterable<Uint8Array>;
    },
  };
}
