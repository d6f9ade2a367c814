import { BuildError, type Digest, isDigest } from '../core/index.ts';
import { type Descriptor, type LayerRef, type Manifest, MEDIA_TYPES } from '../oci/index.ts';
import type { CacheRecord } from './types.ts';

/** Media type of the config of a cache's manifest. */
export const CACHE_CONFIG_TYPE = 'application/vnd.zlayer.cache.config.v1+json';

/** The config of a cache: results by key. */
interface CacheDocument {
  readonly version: 1;
  /** Those without `blob` are the manifest's layers, in its order. The others are layers of bases, which stay in their registries. */
  readonly layers: ReadonlyArray<LayerRef | { readonly diffId: Digest }>;
  readonly records: ReadonlyArray<{
    readonly keys: readonly string[];
    /** Positions in `layers`, lowest layer first. */
    readonly layers: readonly number[];
    readonly createdMs: number;
  }>;
}

/** What a cache is written as. */
export interface EncodedCache {
  readonly configBytes: Buffer;
  /** Layers for the manifest, in its order. */
  readonly carried: readonly LayerRef[];
}

/**
 * Makes the config of a cache. Equal records give equal bytes, whatever their order.
 *
 * @param bases layers of base images: those that a registry has are named, not carried.
 */
export function encodeCache(records: readonly CacheRecord[], bases: Pick<ReadonlySet<Digest>, 'has'>): EncodedCache {
  const sorted = records
    .map((record) => ({ ...record, keys: record.keys.toSorted() }))
    .toSorted((a, b) => (a.keys[0]! < b.keys[0]! ? -1 : 1));
  const layers = new Map(sorted.flatMap((record) => record.layers.map((layer) => [layer.diffId, layer] as const)));
  const positions = new Map([...layers.keys()].map((diffId, at) => [diffId, at]));
  const isCarried = (layer: LayerRef): boolean => layer.origin === undefined || !bases.has(layer.diffId);
  const document: CacheDocument = {
    version: 1,
    layers: [...layers.values()].map((layer) => (isCarried(layer) ? { diffId: layer.diffId } : layer)),
    records: sorted.map(({ keys, createdMs, layers: stack }) => ({
      keys,
      layers: stack.map((layer) => positions.get(layer.diffId)!),
      createdMs,
    })),
  };
  return { configBytes: Buffer.from(JSON.stringify(document)), carried: [...layers.values()].filter(isCarried) };
}

/**
 * Reads the config of a cache. Carried layers get `origin`, where a registry has them.
 *
 * @throws BuildError `IMAGE_INVALID` when it is no cache of a version that is known here.
 */
export function parseCache(
  configBytes: Uint8Array,
  manifest: Manifest,
  origin: string | undefined,
): readonly CacheRecord[] {
  const document = parseDocument(configBytes);
  const blobs = manifest.layers.filter(({ mediaType }) => mediaType !== MEDIA_TYPES.ociEmpty).values();
  const layers = document.layers.map((layer): LayerRef => {
    if ('blob' in layer) return layer;
    const { value: blob } = blobs.next() as { readonly value: Descriptor | undefined };
    if (blob === undefined) throw invalid('it names more layers than its manifest has');
    return { diffId: layer.diffId, blob, ...(origin === undefined ? {} : { origin }) };
  });
  return document.records.map(({ keys, layers: positions, createdMs }) => ({
    keys,
    createdMs,
    layers: positions.map((at) => layers[at] ?? fail('a record names a layer that is not there')),
  }));
}

function parseDocument(bytes: Uint8Array): CacheDocument {
  let value: Partial<CacheDocument> | null;
  try {
    value = JSON.parse(Buffer.from(bytes).toString()) as Partial<CacheDocument> | null;
  } catch (error) {
    throw invalid('its config is no JSON document', error);
  }
  if (value?.version !== 1) throw invalid(`its version is ${String(value?.version)}, and 1 is known here`);
  const { layers, records } = value;
  const sound =
    Array.isArray(layers) &&
    layers.every((layer: Partial<LayerRef>) => isDigest(layer?.diffId ?? '') && isBlobOrAbsent(layer.blob)) &&
    Array.isArray(records) &&
    records.every(
      ({ keys, layers: at, createdMs }) => areTexts(keys) && Array.isArray(at) && Number.isFinite(createdMs),
    );
  if (!sound) throw invalid('its config does not have the form of a cache');
  return value as CacheDocument;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isText);
}

function isBlobOrAbsent(blob: Partial<Descriptor> | undefined): boolean {
  return (
    blob === undefined || (isDigest(blob.digest ?? '') && Number.isSafeInteger(blob.size) && isText(blob.mediaType))
  );
}

function fail(why: string): never {
  throw invalid(why);
}

function invalid(why: string, cause?: unknown): BuildError {
  return new BuildError('IMAGE_INVALID', `The cache cannot be used: ${why}.`, {
    cause,
    hint: 'Write it anew with --cache-to, or leave out --cache-from.',
  });
}
