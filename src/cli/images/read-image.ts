import { BuildError, formatPlatform, type Platform } from '../../core/index.ts';
import {
  blobOf,
  type Descriptor,
  type ImageConfig,
  isIndexType,
  type Manifest,
  parseConfig,
  parseIndex,
  parseManifest,
  selectManifest,
} from '../../oci/index.ts';
import type { Store, StoredImage } from '../../store/index.ts';

/** One image with what describes it. Of an index, `descriptor` is the entry for the wanted platform. */
export interface ImageDetails {
  readonly stored: StoredImage;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

/** Which entry of an index is wanted. `strict`: no other one will do. */
export interface ImageChoice {
  readonly platform: Platform;
  readonly strict: boolean;
}

/**
 * Reads an image's manifest and config. Of an index the entry for the platform is taken; unless the choice is strict, the
 * first that is here where there is none for it.
 *
 * @throws BuildError `PLATFORM_NOT_FOUND`, `BLOB_MISSING`, `BLOB_DIGEST_MISMATCH`, `IMAGE_INVALID`
 */
export async function readImage(store: Store, stored: StoredImage, choice: ImageChoice): Promise<ImageDetails> {
  const descriptor = await manifestDescriptor(store, stored.descriptor, choice);
  const manifest = parseManifest(await store.blobs.read(blobOf(descriptor)));
  const config = parseConfig(await store.blobs.read(blobOf(manifest.config)));
  return { stored, descriptor, manifest, config };
}

/** The bytes of the layers as they lie in the store. */
export function layersSize({ layers }: Manifest): number {
  return layers.reduce((sum, { size }) => sum + size, 0);
}

async function manifestDescriptor(store: Store, descriptor: Descriptor, choice: ImageChoice): Promise<Descriptor> {
  if (!isIndexType(descriptor.mediaType)) return descriptor;
  const index = parseIndex(await store.blobs.read(blobOf(descriptor)));
  const best =
    selectManifest(index, choice.platform) ?? (choice.strict ? undefined : await firstHeld(store, index.manifests));
  if (best !== undefined) return manifestDescriptor(store, best, choice);
  throw new BuildError(
    'PLATFORM_NOT_FOUND',
    `The index ${descriptor.digest} has no image for ${formatPlatform(choice.platform)}.`,
    {
      hint: 'Name another with --platform.',
    },
  );
}

async function firstHeld(store: Store, entries: readonly Descriptor[]): Promise<Descriptor | undefined> {
  for (const entry of entries) if (await store.blobs.has(blobOf(entry))) return entry;
  return undefined;
}
