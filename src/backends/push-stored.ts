import type { Reference, RunContext } from '../core/index.ts';
import type { Descriptor } from '../oci/index.ts';
import { compressLayers } from '../outputs/index.ts';
import { pushImage, type RegistryClient } from '../registry/index.ts';
import type { Store } from '../store/index.ts';

/**
 * Pushes an image of the store. Layers that we made are compressed on the way out, always to the same bytes; what the
 * registry has is not sent.
 *
 * @returns the descriptor under which the registry knows the image.
 * @throws BuildError `REGISTRY_*`, `BLOB_MISSING`.
 */
export async function pushStored(
  deps: { readonly store: Store; readonly registry: () => Promise<RegistryClient> },
  image: { readonly reference: Reference; readonly descriptor: Descriptor },
  context: RunContext,
): Promise<Descriptor> {
  const { reference, descriptor } = image;
  const compressed = await compressLayers(deps.store, { descriptor, compression: 'gzip' }, context);
  try {
    const client = await deps.registry();
    const mountFrom = async (blob: { readonly digest: string }): Promise<readonly string[]> =>
      (await deps.store.records.get<readonly string[]>('origins', blob.digest)) ?? [];
    const { source } = compressed;
    return (await pushImage(client, { source, manifest: compressed.descriptor, reference, mountFrom }, context)).descriptor;
  } finally {
    await compressed.close();
  }
}
