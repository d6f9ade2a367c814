import { type Platform, platformScore } from '../../core/index.ts';
import { type Descriptor, type ImageConfig, type Index, type Manifest, MEDIA_TYPES } from '../../oci/index.ts';
import type { Store, StoredImage } from '../../store/index.ts';

/** One image with what describes it. Of an index, `descriptor` is the entry for the wanted platform. */
export interface ImageDetails {
  readonly stored: StoredImage;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

/**
 * Reads an image's manifest and config. Of an index the entry for `platform` is taken, else the first.
 *
 * @throws BuildError `BLOB_MISSING`, `BLOB_DIGEST_MISMATCH`, `IMAGE_INVALID`
 */
export async function readImage(store: Store, stored: StoredImage, platform: Platform): Promise<ImageDetails> {
  const descriptor = await manifestDescriptor(store, stored.descriptor, platform);
  const manifest = await readJson<Manifest>(store, descriptor);
  const config = await readJson<ImageConfig>(store, manifest.config);
  return { stored, descriptor, manifest, config };
}

/** The bytes of the layers as they lie in the store. */
export function layersSize({ layers }: Manifest): number {
  return layers.reduce((sum, { size }) => sum + size, 0);
}

async function manifestDescriptor(store: Store, descriptor: Descriptor, platform: Platform): Promise<Descriptor> {
  if (descriptor.mediaType !== MEDIA_TYPES.ociIndex && descriptor.mediaType !== MEDIA_TYPES.dockerIndex)
    return descriptor;
  const { manifests } = await readJson<Index>(store, descriptor);
  const score = (entry: Descriptor): number =>
    entry.platform === undefined ? 0 : platformScore(platform, { ...entry.platform, os: entry.platform.os });
  const best = manifests.toSorted((a, b) => score(b) - score(a))[0];
  return best === undefined ? descriptor : manifestDescriptor(store, best, platform);
}

async function readJson<T>(store: Store, { digest, size }: Descriptor): Promise<T> {
  return JSON.parse((await store.blobs.read({ digest, sizeBytes: size })).toString('utf8')) as T;
}
