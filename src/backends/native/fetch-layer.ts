import { BuildError, parseReference, type RunContext, throwIfCancelled } from '../../core/index.ts';
import { blobOf, type LayerRef } from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { SharedWork } from '../../solver/index.ts';
import type { Store } from '../../store/index.ts';
import type { SharedCaches } from './shared-caches.ts';

/** What fetching takes. */
export interface FetchDeps {
  readonly store: Store;
  readonly registry: () => Promise<RegistryClient>;
  /** Layers that no registry has. */
  readonly shared: Pick<SharedCaches, 'open'>;
  /** Layers that are on their way, by digest. */
  readonly fetching: SharedWork<void>;
}

/**
 * Brings a layer's blob into the store.
 *
 * @throws BuildError `BLOB_MISSING` when nothing tells where to fetch it; `REGISTRY_*`.
 */
export async function fetchLayer(deps: FetchDeps, layer: LayerRef, context: RunContext): Promise<void> {
  const blob = blobOf(layer.blob);
  const underWay = deps.fetching.join(blob.digest, context.signal);
  // Who fetches it may have other sign-ins: this build tries by itself then.
  if (underWay !== undefined) await underWay.catch(() => throwIfCancelled(context.signal));
  if (await deps.store.blobs.has(blob)) return;
  await deps.fetching.run([blob.digest], context.signal, (signal) => bring(deps, layer, { ...context, signal }));
}

async function bring(deps: FetchDeps, layer: LayerRef, context: RunContext): Promise<void> {
  const blob = blobOf(layer.blob);
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
