import { formatReference, type Platform, type Reference, type RunContext } from '../../core/index.ts';
import type { PulledImage, RegistryClient } from '../../registry/index.ts';
import type { Store } from '../../store/index.ts';

/**
 * Fetches an image with all its layers into the store, durable but without a name, and remembers where its layers came from,
 * so that a push to the same registry finds them there.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `REGISTRY_*`, `STORE_*`.
 */
export async function storePulledImage(
  { store, client }: { readonly store: Store; readonly client: RegistryClient },
  { reference, platform }: { readonly reference: Reference; readonly platform: Platform },
  context: RunContext,
): Promise<PulledImage> {
  const { pullImage } = await import('../../registry/index.ts');
  const pulled = await pullImage(client, { reference, platform, sink: store.blobs }, context);
  const { root, manifest, config, layers } = pulled;
  await store.sync([root, manifest, config, ...layers].map(({ digest, size }) => ({ digest, sizeBytes: size })));
  const { registry, repository } = reference;
  const origin = formatReference({ registry, repository, digest: manifest.digest });
  await Promise.all(layers.map((layer) => store.records.put('origins', layer.digest, [origin])));
  return pulled;
}
