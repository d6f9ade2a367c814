import type { CacheLocation, CacheRecord, CacheStorage, ImportedCache } from '../../cache/index.ts';
import { type BlobId, linkedAbort, type RunContext } from '../../core/index.ts';
import type { RegistryClient } from '../../registry/index.ts';

/** The caches that a request takes results from. They are read while the build begins; who asks waits for them. */
export interface SharedCaches {
  /** The first result for the key that will do, in the order of the request. */
  find(key: string, willDo: (record: CacheRecord) => Promise<boolean>): Promise<CacheRecord | undefined>;
  /** The caches that hold a layer, in the order of the request. */
  holders(blob: BlobId): Promise<readonly ImportedCache[]>;
  /** Breaks off reading. Nothing is opened afterwards. */
  close(): Promise<void>;
}

const NONE: SharedCaches = { find: async () => undefined, holders: async () => [], close: async () => undefined };

/** Begins to read the caches. One that is missing or broken is a warning. @throws BuildError for a location that is no name of any. */
export function openSharedCaches(
  client: () => Promise<RegistryClient>,
  locations: readonly CacheLocation[],
  context: RunContext,
): SharedCaches {
  if (locations.length === 0) return NONE;
  const { controller, unlink } = linkedAbort(context.signal);
  const opening = openStorages(client, locations);
  const reading = readAll(opening, { ...context, signal: controller.signal });
  // Who asks first gets the error; a build that never asks has none.
  reading.catch(() => undefined);
  return {
    find: async (key, willDo) => {
      for (const cache of await reading) {
        const record = cache.find(key);
        if (record !== undefined && (await willDo(record))) return record;
      }
      return undefined;
    },
    holders: async (blob) => (await reading).filter((cache) => cache.holds(blob)),
    close: async () => {
      controller.abort();
      unlink();
      await reading.catch(() => undefined);
      for (const storage of await opening.catch(() => [])) await storage.close();
    },
  };
}

async function openStorages(
  client: () => Promise<RegistryClient>,
  locations: readonly CacheLocation[],
): Promise<readonly CacheStorage[]> {
  const { openCacheStorage } = await import('../../cache/index.ts');
  return locations.map((location) => openCacheStorage(client, location));
}

async function readAll(
  opening: Promise<readonly CacheStorage[]>,
  context: RunContext,
): Promise<readonly ImportedCache[]> {
  const [{ importCache }, storages] = await Promise.all([import('../../cache/index.ts'), opening]);
  const caches = await Promise.all(storages.map((storage) => importCache(storage, context)));
  return caches.filter((cache) => cache !== undefined);
}
