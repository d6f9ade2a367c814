import {
  type BlobId,
  BuildError,
  createDigester,
  digestAlgorithm,
  isBuildError,
  type RunContext,
} from '../core/index.ts';
import { blobOf, type Manifest, parseManifest } from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import { CACHE_CONFIG_TYPE, parseCache } from './cache-document.ts';
import { createLocalStorage } from './storage/local.ts';
import { createRegistryStorage } from './storage/registry.ts';
import { createS3Storage } from './storage/s3.ts';
import type { CacheLocation, CacheRecord, CacheStorage, ImportedCache } from './types.ts';

/** More than the config of any cache. */
const CONFIG_LIMIT_BYTES = 64 << 20;

/** Opens the storage of a cache; nothing is read yet. @throws BuildError `REFERENCE_INVALID`, `USAGE`. */
export function openCacheStorage(client: () => Promise<RegistryClient>, location: CacheLocation): CacheStorage {
  switch (location.kind) {
    case 'registry':
      return createRegistryStorage(client, location.reference);
    case 'local':
      return createLocalStorage(location.directory, location.tag);
    case 's3':
      return createS3Storage(location);
  }
}

/**
 * Reads a shared cache: its manifest and config, no layer. One that is missing or broken is a warning that names it, and
 * undefined: a build goes on without.
 */
export async function importCache(storage: CacheStorage, context: RunContext): Promise<ImportedCache | undefined> {
  try {
    const fetched = await storage.readManifest(context);
    if (fetched === undefined) return warn(storage, 'there is none yet', context);
    const manifest = parseManifest(fetched.bytes);
    const records = await readRecords(storage, manifest, context);
    return toCache(storage, { manifest, records });
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

async function readRecords(
  storage: CacheStorage,
  manifest: Manifest,
  context: RunContext,
): Promise<readonly CacheRecord[]> {
  const { config } = manifest;
  if (config.mediaType !== CACHE_CONFIG_TYPE) {
    throw new BuildError('IMAGE_INVALID', `its config is ${config.mediaType}, not a cache of this builder`);
  }
  const bytes = await readWhole(storage.openBlob(blobOf(config), context), blobOf(config));
  return parseCache(bytes, manifest, storage.origin);
}

async function readWhole(bytes: AsyncIterable<Uint8Array>, blob: BlobId): Promise<Buffer> {
  if (blob.sizeBytes > CONFIG_LIMIT_BYTES) throw new BuildError('IMAGE_INVALID', 'its config is too large');
  const chunks: Uint8Array[] = [];
  const digester = createDigester(digestAlgorithm(blob.digest));
  for await (const chunk of bytes) {
    chunks.push(chunk);
    digester.update(chunk);
  }
  if (digester.digest() === blob.digest) return Buffer.concat(chunks);
  throw new BuildError('BLOB_DIGEST_MISMATCH', 'its config is damaged', {
    facts: { expected: blob.digest, actual: digester.digest() },
  });
}

function toCache(
  storage: CacheStorage,
  { manifest, records }: { readonly manifest: Manifest; readonly records: readonly CacheRecord[] },
): ImportedCache {
  const byKey = new Map(records.flatMap((record) => record.keys.map((key) => [key, record])));
  const blobs = new Set(manifest.layers.map((layer) => layer.digest));
  return {
    name: storage.name,
    find: (key) => byKey.get(key),
    open: (blob, context) => (blobs.has(blob.digest) ? storage.openBlob(blob, context) : undefined),
  };
}
