import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Descriptor, type ImageConfig, MEDIA_TYPES } from '../../src/oci/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';

/** A real store in a fresh directory. */
export interface StoreFixture {
  readonly store: Store;
  readonly root: string;
  remove(): void;
}

export async function createStoreFixture(): Promise<StoreFixture> {
  const root = mkdtempSync(join(tmpdir(), 'zlayer-store-'));
  return { root, store: await openStore({ root }), remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** What an image of a test is made of. */
export interface ImageRecipe {
  readonly names: readonly string[];
  /** One text a layer. */
  readonly layers: readonly string[];
  readonly config?: Partial<ImageConfig>;
}

/** Puts an image into a store; the layers are no real tars, which no listing looks at. */
export async function putImage(store: Store, { names, layers, config }: ImageRecipe): Promise<Descriptor> {
  const blobs = await Promise.all(layers.map((text) => store.blobs.put(Buffer.from(text))));
  const document: ImageConfig = {
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: blobs.map(({ digest }) => digest) },
    ...config,
  };
  const configBlob = await store.blobs.put(Buffer.from(JSON.stringify(document)));
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: configBlob.digest, size: configBlob.sizeBytes },
    layers: blobs.map(({ digest, sizeBytes }) => ({ mediaType: MEDIA_TYPES.ociLayer, digest, size: sizeBytes })),
  };
  const { digest, sizeBytes } = await store.blobs.put(Buffer.from(JSON.stringify(manifest)));
  const descriptor = { mediaType: MEDIA_TYPES.ociManifest, digest, size: sizeBytes };
  await store.images.set(names, descriptor);
  return descriptor;
}

/** An index of images that are in the store. */
export async function putIndex(store: Store, name: string, manifests: readonly Descriptor[]): Promise<Descriptor> {
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests };
  const { digest, sizeBytes } = await store.blobs.put(Buffer.from(JSON.stringify(index)));
  const descriptor = { mediaType: MEDIA_TYPES.ociIndex, digest, size: sizeBytes };
  await store.images.set([name], descriptor);
  return descriptor;
}
