import type { RegistryClient } from '../../registry/index.ts';
import type { CacheLocation, CacheStorage } from '../types.ts';
import { createGhaStorage } from './gha.ts';
import { createLocalStorage } from './local.ts';
import { createRegistryStorage } from './registry.ts';
import { createS3Storage } from './s3.ts';

/**
 * Opens the storage of a cache; nothing is read yet. Who opens it closes it.
 *
 * @throws BuildError `REFERENCE_INVALID`, `USAGE`; `CREDENTIALS_INVALID` for GitHub's outside of its jobs.
 */
export function openCacheStorage(client: () => Promise<RegistryClient>, location: CacheLocation): CacheStorage {
  switch (location.kind) {
    case 'registry':
      return createRegistryStorage(client, location.reference);
    case 'local':
      return createLocalStorage(location.directory, location.tag);
    case 's3':
      return createS3Storage(location);
    case 'gha':
      return createGhaStorage(location);
  }
}
