import { type BlobSource, BuildError, formatReference, isBuildError, parseReference } from '../../core/index.ts';
import { blobOf, parseManifest, readVerified } from '../../oci/index.ts';
import { compressLayers, writeRegistryOutput } from '../../outputs/index.ts';
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
    readManifest: async (context, digest) => {
      const wanted = digest === undefined ? reference : { registry, repository, digest };
      try {
        return await (await client()).fetchManifest(wanted, context);
      } catch (error) {
        if (isBuildError(error, 'IMAGE_NOT_FOUND')) return undefined;
        throw error;
      }
    },
    openBlob: async function* (blob, context) {
      yield* (await client()).fetchBlob(reference, blob, context);
    },
    write: async ({ store, ...image }, context) => {
      await writeRegistryOutput({ store, client: await client() }, { ...image, references: [reference] }, context);
    },
    // A registry removes blobs that no manifest names, as it does after any push that was broken off.
    stage: async ({ store, ...image }, context) => {
      const { source, descriptor, close } = await compressLayers(store, image, context);
      try {
        const { layers } = parseManifest(await readVerified(source, blobOf(descriptor)));
        const open: BlobSource['open'] = (blob, options) => source.open(blob, options);
        for (const blob of layers.map(blobOf)) await (await client()).pushBlob(reference, blob, open, {}, context);
      } finally {
        await close();
      }
    },
    check: () => undefined,
    // The client is the build's.
    close: async () => undefined,
  };
}
