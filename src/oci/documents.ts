import { type BlobId, BuildError } from '../core/index.ts';
import { type Descriptor, type ImageConfig, type Index, type Manifest, MEDIA_TYPES } from './types.ts';

const INDEX_TYPES: readonly string[] = [MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerIndex];

/** True for an OCI index and for Docker's manifest list. */
export function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.includes(mediaType);
}

/** What identifies a descriptor's blob. */
export function blobOf({ digest, size }: Descriptor): BlobId {
  return { digest, sizeBytes: size };
}

/** @throws BuildError `IMAGE_INVALID` */
export function parseManifest(bytes: Uint8Array): Manifest {
  const value = parseObject(bytes, 'manifest');
  if (value.config === undefined || !Array.isArray(value.layers)) throw invalid('manifest', 'it names no config or no layers');
  return value as unknown as Manifest;
}

/** @throws BuildError `IMAGE_INVALID` */
export function parseIndex(bytes: Uint8Array): Index {
  const value = parseObject(bytes, 'index');
  if (!Array.isArray(value.manifests)) throw invalid('index', 'it has no list of manifests');
  return value as unknown as Index;
}

/** @throws BuildError `IMAGE_INVALID` */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const value = parseObject(bytes, 'image config');
  const rootfs = value.rootfs as { readonly diff_ids?: unknown } | undefined;
  if (!Array.isArray(rootfs?.diff_ids)) throw invalid('image config', 'it has no rootfs.diff_ids');
  return value as unknown as ImageConfig;
}

function parseObject(bytes: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw invalid(what, (error as Error).message);
  }
  throw invalid(what, 'it is no JSON object');
}

function invalid(what: string, why: string): BuildError {
  return new BuildError('IMAGE_INVALID', `The document is no ${what}: ${why}.`);
}
