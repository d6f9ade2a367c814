import { type CompressionKind, decompress } from '../../archive/index.ts';
import { BuildError, createDigester, digestAlgorithm, type RunContext } from '../../core/index.ts';
import { blobOf, type Descriptor, parseManifest } from '../../oci/index.ts';
import type { FetchedManifest } from '../../registry/index.ts';
import type { CacheStorage } from '../types.ts';
import { digestOfNames, parsePage, type StoredName } from './listing.ts';
import { invalid, MOUNTS_CONFIG_TYPE, parseMounts, type StoredMount } from './mounts-document.ts';

/** More than any config, and any page of a listing. */
const DOCUMENT_LIMIT_BYTES = 64 << 20;

/** The mounts of a place, as its manifest tells of them. Nothing of their content is read. */
export interface StoredMounts {
  readonly manifest: FetchedManifest;
  /** Used last, first. */
  readonly mounts: readonly StoredMount[];
}

/** @throws BuildError `IMAGE_INVALID`, `BLOB_*`, `REGISTRY_*`; undefined when nothing is there. */
export async function fetchMounts(storage: CacheStorage, context: RunContext): Promise<StoredMounts | undefined> {
  const manifest = await storage.readManifest(context);
  if (manifest === undefined) return undefined;
  const parsed = parseManifest(manifest.bytes);
  const { config } = parsed;
  if (config.mediaType !== MOUNTS_CONFIG_TYPE) throw invalid(`its config is ${config.mediaType}`);
  const configBytes = await readWhole(verified(storage, config, context));
  return { manifest, mounts: parseMounts(configBytes, parsed) };
}

/** All names of a mount, in their order. @throws BuildError as `fetchMounts`. */
export async function fetchNames(
  storage: CacheStorage,
  mount: StoredMount,
  context: RunContext,
): Promise<readonly StoredName[]> {
  const names: StoredName[] = [];
  for (const page of mount.pages) names.push(...parsePage(await readWhole(openContent(storage, page, context))));
  if (names.length !== mount.names || digestOfNames(names) !== mount.digest) {
    throw invalid(`the listing of ${mount.id} is not that which its config names`);
  }
  return names;
}

/** What is in a page or a pack; the end comes only after the blob's digest was right. */
export function openContent(storage: CacheStorage, blob: Descriptor, context: RunContext): AsyncIterable<Uint8Array> {
  const suffix = /\+(gzip|zstd)$/.exec(blob.mediaType)?.[1] as CompressionKind | undefined;
  return decompress(verified(storage, blob, context), suffix ?? 'none');
}

async function* verified(storage: CacheStorage, blob: Descriptor, context: RunContext): AsyncGenerator<Uint8Array> {
  const digester = createDigester(digestAlgorithm(blob.digest));
  let sizeBytes = 0;
  for await (const chunk of storage.openBlob(blobOf(blob), context)) {
    digester.update(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > blob.size) break;
    yield chunk;
  }
  const actual = digester.digest();
  if (actual === blob.digest && sizeBytes === blob.size) return;
  throw new BuildError('BLOB_DIGEST_MISMATCH', `The blob ${blob.digest} is damaged.`, {
    facts: { expected: blob.digest, actual },
    hint: 'Write the cache mounts anew with --cache-mounts-to.',
  });
}

async function readWhole(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of bytes) {
    length += chunk.length;
    if (length > DOCUMENT_LIMIT_BYTES) throw invalid('a document of it is too large');
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}
