import { requireZstd } from '../outputs/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import { openCacheStorage } from './storage/open-storage.ts';
import type { CacheLocation, CacheStorage, CacheTarget } from './types.ts';

/** A target with a place of its own. */
export type PlacedTarget = Exclude<CacheTarget, { readonly kind: 'inline' }>;

/** A place that a cache, or cache mounts, are going to be written to. */
export interface OpenTarget<T = PlacedTarget> {
  readonly target: T;
  readonly storage: CacheStorage;
}

/**
 * Opens a cache that is going to be written, and tells what is known to fail before the first step runs.
 *
 * @throws BuildError as `openCacheStorage`; unless the target ignores errors, `CREDENTIALS_INVALID` where a sign-in is
 * missing, `UNSUPPORTED` for zstd where this Node.js has none.
 */
export function openCacheTarget<T extends CacheLocation & Pick<CacheTarget, 'ignoreError' | 'compression'>>(
  client: () => Promise<RegistryClient>,
  target: T,
): OpenTarget<T> {
  const storage = openCacheStorage(client, target);
  if (target.ignoreError !== true) {
    if (target.compression === 'zstd') requireZstd();
    storage.check();
  }
  return { target, storage };
}
