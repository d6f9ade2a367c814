import { BuildError, type Digest, parseReference, type RunContext, toBuildError } from '../core/index.ts';
import { blobOf, type Descriptor, encodeManifest, type LayerRef, MEDIA_TYPES } from '../oci/index.ts';
import { compressLayers, writeOciOutput, writeRegistryOutput } from '../outputs/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { Lease, Store } from '../store/index.ts';
import { CACHE_CONFIG_TYPE, encodeCache } from './cache-document.ts';
import { openCacheStorage } from './import-cache.ts';
import { DEFAULT_TAG, sweepLayout } from './storage/local.ts';
import { writeS3Cache } from './storage/s3.ts';
import type { CacheRecord, CacheTarget } from './types.ts';

export interface ExportDeps {
  readonly store: Store;
  readonly client: () => Promise<RegistryClient>;
  /** Brings a layer that lies elsewhere into the store. */
  readonly fetchLayer: (layer: LayerRef, context: RunContext) => Promise<void>;
}

export interface ExportInput {
  readonly target: CacheTarget;
  readonly records: readonly CacheRecord[];
  /** Layers of base images: those that a registry has are named, not carried. */
  readonly bases: ReadonlySet<Digest>;
}

const EMPTY = Buffer.from('{}');

/**
 * Writes results as a shared cache: an image manifest whose layers are those of the results, so that every registry takes it,
 * with a config that holds the keys. It replaces what the target held; what is there already is not sent again.
 *
 * @throws BuildError `REGISTRY_*`, `OUTPUT_FAILED`, `BLOB_MISSING`, `UNSUPPORTED`, unless the target ignores errors.
 */
export async function exportCache(deps: ExportDeps, input: ExportInput, context: RunContext): Promise<void> {
  const lease = await deps.store.openLease();
  try {
    await writeCache(deps, { ...input, lease }, context);
  } catch (thrown) {
    const error = toBuildError(thrown);
    if (input.target.ignoreError !== true || error.code === 'CANCELLED') throw error;
    const message = `The cache ${nameOf(input.target)} was not written: ${error.message}`;
    context.emit({ kind: 'warning', time: Date.now(), code: 'CacheNotExported', message });
  } finally {
    await lease.release();
  }
}

function nameOf(target: CacheTarget): string {
  if (target.kind === 's3') return `s3://${target.bucket}/${target.prefix ?? ''}${target.name ?? DEFAULT_TAG}`;
  return target.kind === 'registry' ? target.reference : target.directory;
}

async function writeCache(
  deps: ExportDeps,
  { target, records, bases, lease }: ExportInput & { readonly lease: Lease },
  context: RunContext,
): Promise<void> {
  const { store } = deps;
  const { configBytes, carried } = encodeCache(records, bases);
  await bringMissing(deps, { target, carried }, context);
  const descriptor = await storeManifest({ store, lease }, configBytes, carried);
  await writeImage(deps, { target, descriptor }, context);
}

async function writeImage(
  deps: ExportDeps,
  { target, descriptor }: { readonly target: CacheTarget; readonly descriptor: Descriptor },
  context: RunContext,
): Promise<void> {
  const { store } = deps;
  const { compression = 'gzip', compressionLevel: level } = target;
  switch (target.kind) {
    case 'registry': {
      const output = { descriptor, references: [parseReference(target.reference)], compression, level };
      await writeRegistryOutput({ store, client: await deps.client() }, output, context);
      return;
    }
    case 'local': {
      const images = [{ descriptor, references: [target.tag ?? DEFAULT_TAG] }];
      const { directory: destination } = target;
      await writeOciOutput({ store }, { images, destination, tar: false, compression, level }, context);
      return sweepLayout(destination);
    }
    case 's3': {
      const image = await compressLayers(store, { descriptor, compression, level }, context);
      return writeS3Cache(target, image, context).finally(() => image.close());
    }
  }
}

/** Layers of an imported cache may never have been fetched: those that the target lacks are fetched now. */
async function bringMissing(
  deps: ExportDeps,
  { target, carried }: { readonly target: CacheTarget; readonly carried: readonly LayerRef[] },
  context: RunContext,
): Promise<void> {
  const storage = openCacheStorage(deps.client, target);
  for (const layer of carried) {
    const blob = blobOf(layer.blob);
    if ((await deps.store.blobs.has(blob)) || (await storage.holds(blob, context))) continue;
    await deps.fetchLayer(layer, context);
  }
}

async function storeManifest(
  { store, lease }: { readonly store: Store; readonly lease: Lease },
  configBytes: Buffer,
  carried: readonly LayerRef[],
): Promise<Descriptor> {
  const config = await store.blobs.put(configBytes);
  const empty = carried.length === 0 ? [await store.blobs.put(EMPTY)] : [];
  const manifestBytes = encodeManifest({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: CACHE_CONFIG_TYPE, digest: config.digest, size: config.sizeBytes },
    layers: [
      ...carried.map((layer) => layer.blob),
      ...empty.map(({ digest, sizeBytes }) => ({ mediaType: MEDIA_TYPES.ociEmpty, digest, size: sizeBytes })),
    ],
  });
  const manifest = await store.blobs.put(manifestBytes);
  for (const blob of [config, ...empty, manifest]) {
    if (!(await lease.pinBlob(blob))) throw new BuildError('BLOB_MISSING', `The blob ${blob.digest} vanished.`);
  }
  return { mediaType: MEDIA_TYPES.ociManifest, digest: manifest.digest, size: manifest.sizeBytes };
}
