import type { BlobId, Digest } from '../core/index.ts';
import { type Descriptor, type LayerRef, MEDIA_TYPES } from '../oci/index.ts';
import type { Store } from './types.ts';

/** An image in a store, for tests. */
export interface TestImage {
  readonly descriptor: Descriptor;
  readonly config: BlobId;
  readonly layers: readonly LayerRef[];
}

/** Puts a small image into a store; every text becomes a layer of these bytes. */
export async function putImage(store: Store, input: { readonly layers: readonly string[] }): Promise<TestImage> {
  const layers = await Promise.all(input.layers.map((text) => putLayer(store, text)));
  const config = await store.blobs.put(
    Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
      }),
    ),
  );
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: config.digest, size: config.sizeBytes },
    layers: layers.map((layer) => layer.blob),
  };
  const { digest, sizeBytes } = await store.blobs.put(Buffer.from(JSON.stringify(manifest)));
  return { descriptor: { mediaType: MEDIA_TYPES.ociManifest, digest, size: sizeBytes }, config, layers };
}

/** Puts a layer of these bytes into a store. */
export async function putLayer(store: Store, text: string): Promise<LayerRef & { readonly diffId: Digest }> {
  const { digest, sizeBytes } = await store.blobs.put(Buffer.from(text));
  return { diffId: digest, blob: { mediaType: MEDIA_TYPES.ociLayer, digest, size: sizeBytes } };
}
