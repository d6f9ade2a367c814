import type { CacheLocation, CacheRecord, ImportedCache } from '../../cache/index.ts';
import type { BlobId, RunContext } from '../../core/index.ts';
import type { RegistryClient } from '../../registry/index.ts';

/** The caches that a request takes results from. They are read while the build begins; who asks waits for them. */
export interface SharedCaches {
  /** The first cache that has the key, in the order of the request. */
  find(key: string): Promise<CacheRecord | undefined>;
  /** The bytes of a layer of such a result that no registry has. */
  open(blob: BlobId, context: RunContext): Promise<AsyncIterable<Uint8Array> | undefined>;
}

const NONE: SharedCaches = { find: async () => undefined, open: async () => undefined };

/** Begins to read the caches. One that is missing or broken is a warning. @throws BuildError for a location that is no name of any. */
export function openSharedCaches(
  client: () => Promise<RegistryClient>,
  locations: readonly CacheLocation[],
  context: RunContext,
): SharedCaches {
  if (locations.length === 0) return NONE;
  const reading = readAll(client, locations, context);
  // Who asks first gets the error; a build that never asks has none.
  reading.catch(() => undefined);
  return {
    find: async (key) => firstOf(await reading, (cache) => cache.find(key)),
    open: async (blob, inner) => firstOf(await reading, (cache) => cache.open(blob, inner)),
  };
}

async function readAll(
  client: () => Promise<RegistryClient>,
  locations: readonly CacheLocation[],
  context: RunContext,
): Promise<readonly ImportedCache[]> {
  const { importCache, openCacheStorage } = await import('../../cache/index.ts');
  const storages = locations.map((location) => openCacheStorage(client, location));
  const caches = await Promise.all(storages.map((storage) => importCache(storage, context)));
  return caches.filter((cache) => cache !== undefined);
}

function firstOf<T, R>(items: readonly T[], pick: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = pick(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
