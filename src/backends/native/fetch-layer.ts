import { BuildError, isBuildError, parseReference, type RunContext, throwIfCancelled } from '../../core/index.ts';
import { blobOf, type LayerRef } from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { SharedWork } from '../../solver/index.ts';
import type { Store } from '../../store/index.ts';
import type { SharedCaches } from './shared-caches.ts';

/** What fetching takes. */
export interface FetchDeps {
  readonly store: Store;
  readonly registry: () => Promise<RegistryClient>;
  /** Caches that may hold it. */
  readonly shared: Pick<SharedCaches, 'holders'>;
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

/** From where it is said to lie, else from the caches that hold it; the first failure where none gives it. */
async function bring(deps: FetchDeps, layer: LayerRef, context: RunContext): Promise<void> {
  const blob = blobOf(layer.blob);
  const { origin } = layer;
  const places: Place[] = [];
  if (origin !== undefined) {
    const open = async () => (await deps.registry()).fetchBlob(parseReference(origin), blob, context);
    places.push({ name: origin, open });
  }
  for (const cache of await deps.shared.holders(blob)) {
    if (cache.origin === undefined || cache.origin !== origin) {
      places.push({ name: cache.name, open: async () => cache.open(blob, context) });
    }
  }
  let failure: unknown;
  for (const place of places) {
    try {
      return await deps.store.blobs.write(blob, await place.open());
    } catch (error) {
      throwIfCancelled(context.signal);
      failure ??= toFailure(error, { layer, name: place.name });
    }
  }
  throw failure ?? nowhere(layer);
}

interface Place {
  /** What messages call it. */
  readonly name: string;
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
}

function toFailure(error: unknown, { layer, name }: { readonly layer: LayerRef; readonly name: string }): BuildError {
  const what = `The layer ${layer.blob.digest} cannot be read from ${name}`;
  if (!isBuildError(error)) {
    const why = error instanceof Error ? error.message : String(error);
    return new BuildError('REGISTRY_UNAVAILABLE', `${what}: ${why}`, { cause: error });
  }
  if (!isBuildError(error, 'BLOB_DIGEST_MISMATCH')) return error;
  const { message, facts, hint } = error;
  return new BuildError('BLOB_DIGEST_MISMATCH', `${what}: ${message}`, { facts: facts!, hint, cause: error });
}

function nowhere({ blob }: LayerRef): BuildError {
  return new BuildError(
    'BLOB_MISSING',
    `The layer ${blob.digest} is not in the store, and no registry is known to have it.`,
    {
      hint: 'Build again with --no-cache, or pull the base image anew.',
    },
  );
}

/** `fetchLayer` for all layers side by side; the client bounds how many move at once. */
export async function fetchMissing(
  deps: FetchDeps & { readonly onFailure?: (layer: LayerRef, error: unknown) => void },
  layers: readonly LayerRef[],
  context: RunContext,
): Promise<void> {
  const fetchOne = (layer: LayerRef): Promise<void> =>
    fetchLayer(deps, layer, context).catch((error: unknown) => {
      if (!context.signal.aborted) deps.onFailure?.(layer, error);
      throw error;
    });
  await settleAll(layers.map(fetchOne));
}

/** Waits for all, so that nothing of a failed attempt is under way in the next. @throws the first failure. */
async function settleAll(works: ReadonlyArray<Promise<void>>): Promise<void> {
  await Promise.allSettled(works);
  await Promise.all(works);
}
