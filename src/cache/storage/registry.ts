import { BuildError, formatReference, isBuildError, parseReference } from '../../core/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { CacheStorage } from '../types.ts';

/** A cache as an image manifest in a registry. @throws BuildError `REFERENCE_INVALID`, `USAGE` for a digest. */
export function createRegistryStorage(client: () => Promise<RegistryClient>, text: string): CacheStorage {
  const reference = parseReference(text);
  if (reference.digest !== undefined) {
    throw new BuildError('USAGE', `The cache ${text} is named by digest: a cache changes with every build.`, {
      hint: 'Name it by a tag.',
    });
  }
  const { registry, repository } = reference;
  return {
    name: formatReference(reference),
    origin: formatReference({ registry, repository }),
    readManifest: async (context) => {
      try {
        return await (await client()).fetchManifest(reference, context);
      } catch (error) {
        if (isBuildError(error, 'IMAGE_NOT_FOUND')) return undefined;
        throw error;
      }
    },
    openBlob: async function* (blob, context) {
      yield* (await client()).fetchBlob(reference, blob, context);
    },
    holds: async (blob, context) => (await client()).hasBlob(reference, blob, context),
  };
}
