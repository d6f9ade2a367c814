import { requireZstd } from '../outputs/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import { openCacheStorage } from './storage/open-storage.ts';
import type { CacheStorage, CacheTarget } from './types.ts';

/** A target with a place of its own. */
export type PlacedTarget = Exclude<CacheTarget, { readonly kind: 'inline' }>;

/** A place that a cache is going to be written to. */
export interface OpenTarget {
  readonly target: PlacedTarget;
  readonly storage: CacheStorage;
}

/**
 * Opens a cache that is going to be written, and tells what is known to fail before the first step runs.
 *
 * @throws BuildError as `openCacheStorage`; unless the target ignores errors, `CREDENTIALS_INVALID` where a sign-in is
 * missing, `UNSUPPORTED` for zstd where this Node.js has none.
 */
export function openCacheTarget(client: () => Promise<RegistryClient>, target: PlacedTarget): OpenTarget {
  const storage = openCacheStorage(client, target);
  if (target.ignoreError !== true) {
    if (target.compression === 'zstd') requireZstd();
    storage.check();
  }
  return { target, storage };
}
