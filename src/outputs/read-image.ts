import {
  type BlobId,
  type BlobSource,
  BuildError,
  createDigester,
  type Digest,
  digestAlgorithm,
  isDigest,
  type Platform,
  platformOfHost,
} from '../core/index.ts';
import {
  blobOf,
  type Descriptor,
  type ImageConfig,
  type Index,
  isIndexType,
  type Manifest,
  selectManifest,
} from '../oci/index.ts';

/** An image of one platform as its documents say it is. */
export interface ImageDocuments {
  /** Of the manifest. */
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** As many as there are layers, lowest first. */
  readonly layers: ReadonlyArray<{ readonly diffId: Digest; readonly blob: Descriptor }>;
}

/** What to look for where an index offers several platforms; default this host's. */
export interface ReadImageOptions {
  readonly platform?: Platform | undefined;
}

/** More than any registry takes for a manifest. */
const DOCUMENT_LIMIT_BYTES = 16 << 20;

/**
 * Reads manifest and config of an image; of an index, those of the entry for the platform.
 *
 * @throws BuildError `PLATFORM_NOT_FOUND`, `IMAGE_INVALID`, `BLOB_MISSING`, `BLOB_DIGEST_MISMATCH`.
 */
export async function readImage(
  source: BlobSource,
  descriptor: Descriptor,
  options: ReadImageOptions = {},
): Promise<ImageDocuments> {
  if (isIndexType(descriptor.mediaType))
    return readImage(source, await selectFromIndex(source, descriptor, options), options);
  const manifest = await readJson<Manifest>(source, descriptor);
  const parts = Array.isArray(manifest.layers) ? [manifest.config, ...manifest.layers] : [undefined];
  if (!parts.every((part) => isDigest(part?.digest ?? ''))) {
    throw invalid(descriptor, 'its manifest names no config and layers');
  }
  const config = await readJson<ImageConfig>(source, manifest.config);
  const diffIds = config.rootfs?.diff_ids;
  if (!Array.isArray(diffIds) || diffIds.length !== manifest.layers.length || !diffIds.every(isDigest)) {
    throw invalid(descriptor, 'its config does not list one diff_id for every layer');
  }
  const layers = manifest.layers.map((blob, at) => ({ blob, diffId: diffIds[at] as Digest }));
  return { descriptor, manifest, config, layers };
}

/** Reads a JSON document and checks its digest. */
export async function readJson<T>(source: BlobSource, descriptor: Descriptor): Promise<T> {
  const bytes = await readBlob(source, blobOf(descriptor));
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (error) {
    throw invalid(descriptor, 'it is no JSON document', error);
  }
  if (typeof value !== 'object' || value === null) throw invalid(descriptor, 'it is no JSON object');
  return value as T;
}

async function readBlob(source: BlobSource, blob: BlobId): Promise<Buffer> {
  if (blob.sizeBytes > DOCUMENT_LIMIT_BYTES) {
    throw new BuildError('IMAGE_INVALID', `Image document ${blob.digest} is too large: ${blob.sizeBytes} bytes.`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.open(blob)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const digester = createDigester(digestAlgorithm(blob.digest));
  digester.update(bytes);
  const actual = digester.digest();
  if (actual === blob.digest) return bytes;
  throw new BuildError('BLOB_DIGEST_MISMATCH', `Image document ${blob.digest} is damaged: it is ${actual}.`, {
    facts: { expected: blob.digest, actual },
    hint: 'Build, pull or load the image again.',
  });
}

async function selectFromIndex(
  source: BlobSource,
  descriptor: Descriptor,
  { platform = platformOfHost('linux', process.arch) }: ReadImageOptions,
): Promise<Descriptor> {
  const index = await readJson<Index>(source, descriptor);
  if (!Array.isArray(index.manifests)) throw invalid(descriptor, 'its index lists no manifests');
  const found = selectManifest(index, platform);
  if (found !== undefined) return found;
  throw new BuildError(
    'PLATFORM_NOT_FOUND',
    `Image ${descriptor.digest} has nothing for ${platform.os}/${platform.architecture}.`,
    {
      hint: 'Choose one of its platforms with --platform.',
    },
  );
}

function invalid(descriptor: Descriptor, why: string, cause?: unknown): BuildError {
  return new BuildError('IMAGE_INVALID', `Image document ${descriptor.digest} cannot be used: ${why}.`, {
    cause,
    hint: 'Build, pull or load the image again.',
  });
}
