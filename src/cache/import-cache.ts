import { type BlobId, BuildError, isBuildError, type RunContext } from '../core/index.ts';
import {
  blobOf,
  isAttestation,
  type Manifest,
  MEDIA_TYPES,
  parseConfig,
  parseManifestOrIndex,
  readVerified,
} from '../oci/index.ts';
import type { FetchedManifest } from '../registry/index.ts';
import { CACHE_CONFIG_TYPE, parseCache } from './cache-document.ts';
import { refuseBuildkit } from './foreign-cache.ts';
import { fromInlineCache } from './inline-cache.ts';
import type { CacheRecord, CacheStorage, ImportedCache } from './types.ts';

/** More than the config of any cache. */
const CONFIG_LIMIT_BYTES = 64 << 20;

/**
 * Reads a shared cache: documents alone, no layer. That is a cache of its own, or an image, or an index of images, that carry
 * theirs. One that is missing, broken, or another builder's is a warning that names it, and undefined: a build goes on
 * without.
 */
export async function importCache(storage: CacheStorage, context: RunContext): Promise<ImportedCache | undefined> {
  try {
    const fetched = await storage.readManifest(context);
    if (fetched === undefined) return warn(storage, 'there is none yet', context);
    return toCache(storage, await readParts(storage, fetched, context));
  } catch (error) {
    if (isBuildError(error, 'CANCELLED') || context.signal.aborted) throw error;
    return warn(storage, error instanceof Error ? error.message : String(error), context);
  }
}

function warn(storage: CacheStorage, why: string, context: RunContext): undefined {
  const message = `The cache ${storage.name} is not used: ${why.replace(/\.$/, '')}.`;
  context.emit({ kind: 'warning', time: Date.now(), code: 'CacheNotImported', message });
  return undefined;
}

interface CacheParts {
  readonly records: readonly CacheRecord[];
  readonly manifests: readonly Manifest[];
}

async function readParts(
  storage: CacheStorage,
  { bytes, descriptor: { mediaType } }: FetchedManifest,
  context: RunContext,
): Promise<CacheParts> {
  const document = parseManifestOrIndex(bytes, mediaType === '' ? {} : { mediaType });
  if (document.kind === 'manifest') return readManifestParts(storage, document.manifest, context);
  refuseBuildkit(document.index);
  const images = document.index.manifests.filter((entry) => !isAttestation(entry));
  const parts = await Promise.allSettled(
    images.map(async ({ digest }): Promise<CacheParts> => {
      const member = await storage.readManifest(context, digest);
      if (member !== undefined) return readParts(storage, member, context);
      throw new BuildError('IMAGE_INVALID', `its member ${digest} is not there`);
    }),
  );
  const all = parts.flatMap((part) => (part.status === 'fulfilled' ? [part.value] : []));
  // Some platforms of an image may have been built without a cache.
  const failed = parts.find((part) => part.status === 'rejected');
  if (all.length === 0 && failed !== undefined) throw failed.reason;
  return { records: all.flatMap((each) => each.records), manifests: all.flatMap((each) => each.manifests) };
}

async function readManifestParts(storage: CacheStorage, manifest: Manifest, context: RunContext): Promise<CacheParts> {
  refuseBuildkit(manifest);
  const { config } = manifest;
  const isImage = config.mediaType === MEDIA_TYPES.ociConfig || config.mediaType === MEDIA_TYPES.dockerConfig;
  if (!isImage && config.mediaType !== CACHE_CONFIG_TYPE) {
    throw new BuildError('IMAGE_INVALID', `its config is ${config.mediaType}, not a cache of this builder`);
  }
  const source = { open: (blob: BlobId) => storage.openBlob(blob, context) };
  const bytes = await readVerified(source, blobOf(config), CONFIG_LIMIT_BYTES);
  const records = isImage ? readInline(storage, bytes, manifest) : parseCache(bytes, manifest, storage.origin);
  return { records, manifests: [manifest] };
}

function readInline(storage: CacheStorage, bytes: Buffer, { layers }: Manifest): readonly CacheRecord[] {
  const { origin } = storage;
  const config = parseConfig(bytes);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== layers.length) throw new BuildError('IMAGE_INVALID', 'its config and its manifest disagree');
  const stack = layers.map((blob, at) => ({
    diffId: diffIds[at]!,
    blob,
    ...(origin === undefined ? {} : { origin }),
  }));
  const records = fromInlineCache(config, stack);
  if (records !== undefined) return records;
  throw new BuildError('IMAGE_INVALID', 'it is an image that carries no cache; build it with --cache-to type=inline');
}

function toCache(storage: CacheStorage, { records, manifests }: CacheParts): ImportedCache {
  const byKey = new Map(records.flatMap((record) => record.keys.map((key) => [key, record])));
  const blobs = new Set(manifests.flatMap(({ layers }) => layers.map((layer) => layer.digest)));
  return {
    name: storage.name,
    origin: storage.origin,
    find: (key) => byKey.get(key),
    holds: ({ digest }) => blobs.has(digest),
    open: (blob, context) => storage.openBlob(blob, context),
  };
}
