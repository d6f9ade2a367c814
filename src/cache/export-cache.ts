import { BuildError, type Digest, type RunContext, toBuildError } from '../core/index.ts';
import type { LayerRef } from '../oci/index.ts';
import { readThrough, type Store } from '../store/index.ts';
import { CACHE_CONFIG_TYPE, encodeCache } from './cache-document.ts';
import { toCacheImage } from './cache-image.ts';
import { compressionOf } from './compression-of.ts';
import type { CacheRecord, CacheStorage, CacheTarget } from './types.ts';

export interface ExportDeps {
  readonly store: Store;
  /** Where the target is. */
  readonly storage: CacheStorage;
  /** Brings a layer that lies elsewhere into the store. */
  readonly fetchLayer: (layer: LayerRef, context: RunContext) => Promise<void>;
}

export interface ExportInput {
  readonly target: CacheTarget;
  readonly records: readonly CacheRecord[];
  /** Layers of base images: those that a registry has are named, not carried. */
  readonly bases: Pick<ReadonlySet<Digest>, 'has'>;
}

/**
 * Writes results as a shared cache: an image manifest whose layers are those of the results, so that every registry takes it,
 * with a config that holds the keys. It replaces what the target held; what is there already is neither sent nor fetched.
 *
 * @throws BuildError `REGISTRY_*`, `OUTPUT_FAILED`, `BLOB_MISSING`, `UNSUPPORTED`, unless the target ignores errors.
 */
export async function exportCache(deps: ExportDeps, input: ExportInput, context: RunContext): Promise<void> {
  const lease = await deps.store.openLease();
  try {
    await writeCache(deps, input, context);
  } catch (thrown) {
    const error = toBuildError(thrown);
    if (input.target.ignoreError !== true || error.code === 'CANCELLED') throw error;
    const message = `The cache ${deps.storage.name} was not written: ${error.message}`;
    context.emit({ kind: 'warning', time: Date.now(), code: 'CacheNotExported', message });
  } finally {
    await lease.release();
  }
}

async function writeCache(
  { store, storage, fetchLayer }: ExportDeps,
  { target, records, bases }: ExportInput,
  context: RunContext,
): Promise<void> {
  const { configBytes, carried } = encodeCache(records, bases);
  const layers = new Map(carried.map((layer) => [layer.blob.digest, layer]));
  const blobs = carried.map(({ blob }) => blob);
  const { descriptor, documents } = toCacheImage({ configType: CACHE_CONFIG_TYPE, configBytes, layers: blobs });
  const provide = ({ digest }: { readonly digest: Digest }): Promise<void> => {
    const layer = layers.get(digest);
    if (layer !== undefined) return fetchLayer(layer, context);
    throw new BuildError('BLOB_MISSING', `The blob ${digest} of the cache vanished.`);
  };
  const through = readThrough(store, { documents, provide });
  await storage.write({ store: through, descriptor, ...compressionOf(target) }, context);
}
