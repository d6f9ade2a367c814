import { BuildError, parseReference, type RunContext } from '../../core/index.ts';
import { blobOf, type LayerRef } from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { Store } from '../../store/index.ts';
import type { SharedCaches } from './shared-caches.ts';

interface FetchDeps {
  readonly store: Store;
  readonly registry: () => Promise<RegistryClient>;
  /** Layers that no registry has. */
  readonly shared: Pick<SharedCaches, 'open'>;
}

/**
 * Brings a layer's blob into the store.
 *
 * @throws BuildError `BLOB_MISSING` when nothing tells where to fetch it; `REGISTRY_*`.
 */
export async function fetchLayer(deps: FetchDeps, layer: LayerRef, context: RunContext): Promise<void> {
  const blob = blobOf(layer.blob);
  if (await deps.store.blobs.has(blob)) return;
  if (layer.origin === undefined) {
    const bytes = await deps.shared.open(blob, context);
    if (bytes !== undefined) return deps.store.blobs.write(blob, bytes);
    throw new BuildError(
      'BLOB_MISSING',
      `The layer ${blob.digest} is not in the store, and no registry is known to have it.`,
      {
        hint: 'Build again with --no-cache, or pull the base image anew.',
      },
    );
  }
  const client = await deps.registry();
  await deps.store.blobs.write(blob, client.fetchBlob(parseReference(layer.origin), blob, context));
}

/** `fetchLayer` for all layers side by side; the client bounds how many move at once. */
export async function fetchMissing(deps: FetchDeps, layers: readonly LayerRef[], context: RunContext): Promise<void> {
  await Promise.all(layers.map((layer) => fetchLayer(deps, layer, context)));
}
