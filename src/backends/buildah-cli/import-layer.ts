import { digestOf, type Platform, type RunContext } from '../../core/index.ts';
import { encodeConfig, encodeManifest, type LayerRef, MEDIA_TYPES } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import { importImage } from './import-image.ts';
import type { Buildah } from './run-buildah.ts';

/**
 * Makes a layer of our store an image of buildah's storage, with nothing else in it, and gives its id: so a stage can copy
 * or mount exactly the files of the layer, with their owners, modes and attributes.
 */
export async function importLayer(
  deps: { readonly buildah: Buildah; readonly workDir: string; readonly store: Store },
  { layer, platform }: { readonly layer: LayerRef; readonly platform: Platform },
  context: RunContext,
): Promise<string> {
  const { architecture, os } = platform;
  const configBytes = encodeConfig({ architecture, os, rootfs: { type: 'layers', diff_ids: [layer.diffId] } });
  const config = { digest: digestOf(configBytes), bytes: configBytes };
  const manifestBytes = encodeManifest({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: config.digest, size: configBytes.length },
    layers: [{ mediaType: layer.blob.mediaType, digest: layer.blob.digest, size: layer.blob.size }],
  });
  const blobs = [{ digest: layer.blob.digest, path: deps.store.blobs.path(layer.blob.digest) }];
  return importImage(deps, { manifestBytes, config, blobs }, context);
}
