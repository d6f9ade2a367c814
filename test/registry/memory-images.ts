import { type Descriptor, MEDIA_TYPES } from '../../src/oci/index.ts';
import type { MemoryBlobs } from './memory-sink.ts';

export function descriptorIn(blobs: MemoryBlobs, content: unknown, mediaType: string): Descriptor {
  const blob = blobs.put(typeof content === 'string' ? content : JSON.stringify(content));
  return { mediaType, digest: blob.digest, size: blob.sizeBytes };
}

/** An image whose layers are these texts: no archives, which registries do not look at. */
export function manifestIn(blobs: MemoryBlobs, layers: readonly string[], architecture = 'amd64'): Descriptor {
  const config = { architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [] } };
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: descriptorIn(blobs, config, MEDIA_TYPES.ociConfig),
    layers: layers.map((layer) => descriptorIn(blobs, layer, MEDIA_TYPES.ociLayer)),
  };
  return { ...descriptorIn(blobs, document, MEDIA_TYPES.ociManifest), platform: { os: 'linux', architecture } };
}

export function indexIn(blobs: MemoryBlobs, manifests: readonly Descriptor[]): Descriptor {
  return descriptorIn(blobs, { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }, MEDIA_TYPES.ociIndex);
}
