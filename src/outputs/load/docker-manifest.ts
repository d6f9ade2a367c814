import type { CompressionKind } from '../../archive/index.ts';
import { type BlobId, BuildError, formatReference, isBuildError, parseReference } from '../../core/index.ts';
import { type Descriptor, findConfig, type Manifest, MEDIA_TYPES } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import { sniffCompression } from '../sniff-compression.ts';
import type { FoundImage } from '../types.ts';
import type { ArchiveFiles } from './archive-files.ts';

/** One image in docker's `manifest.json`. */
interface DockerImage {
  readonly Config: string;
  readonly RepoTags?: readonly string[] | null;
  readonly Layers: readonly string[];
}

const LAYER_TYPES: Readonly<Partial<Record<CompressionKind, string>>> = {
  none: MEDIA_TYPES.ociLayer,
  gzip: MEDIA_TYPES.ociLayerGzip,
  zstd: MEDIA_TYPES.ociLayerZstd,
};

/**
 * The images that docker's `manifest.json` describes. They get manifests of OCI's types over the same config, so that the
 * image id stays, and the same layers.
 *
 * @throws BuildError `ARCHIVE_INVALID` when the archive lacks a file or a layer is not what the config says.
 */
export async function readDockerImages(
  store: Store,
  files: ArchiveFiles,
  manifestJson: Buffer,
): Promise<readonly FoundImage[]> {
  const images: FoundImage[] = [];
  for (const image of parseDockerImages(manifestJson)) {
    const descriptor = await putManifest(store, files, image);
    const names = image.RepoTags ?? [];
    images.push({ descriptor, references: names.flatMap(fullReference), names });
  }
  return images;
}

/** Full references of docker's names; `<none>:<none>` and other things that are no reference name nothing. */
export function fullReference(name: string): readonly string[] {
  try {
    return [formatReference(parseReference(name))];
  } catch (error) {
    if (isBuildError(error, 'REFERENCE_INVALID')) return [];
    throw error;
  }
}

function parseDockerImages(manifestJson: Buffer): readonly DockerImage[] {
  let value: unknown;
  try {
    value = JSON.parse(manifestJson.toString());
  } catch {
    value = undefined;
  }
  const isImage = (image: Partial<DockerImage> | null): boolean =>
    typeof image?.Config === 'string' && Array.isArray(image.Layers);
  if (Array.isArray(value) && value.every(isImage)) return value as readonly DockerImage[];
  throw broken('its manifest.json is not a list of images');
}

async function putManifest(store: Store, files: ArchiveFiles, image: DockerImage): Promise<Descriptor> {
  const configBlob = requireFile(files, image.Config);
  const config: Descriptor = {
    mediaType: MEDIA_TYPES.ociConfig,
    digest: configBlob.digest,
    size: configBlob.sizeBytes,
  };
  const diffIds = (await findConfig(store.blobs, { config }))?.rootfs.diff_ids ?? [];
  if (diffIds.length !== image.Layers.length)
    throw broken(`"${image.Config}" describes ${diffIds.length} layers, not ${image.Layers.length}`);
  const layers: Descriptor[] = [];
  for (const [at, path] of image.Layers.entries()) {
    const layer = await describeLayer(store, requireFile(files, path), path);
    if (layer.mediaType === MEDIA_TYPES.ociLayer && layer.digest !== diffIds[at]) {
      throw broken(`layer "${path}" is ${layer.digest}, but the config says ${diffIds[at]}`);
    }
    layers.push(layer);
  }
  const manifest: Manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers };
  const { digest, sizeBytes } = await store.blobs.put(Buffer.from(JSON.stringify(manifest)));
  return { mediaType: MEDIA_TYPES.ociManifest, digest, size: sizeBytes };
}

async function describeLayer(store: Store, blob: BlobId, path: string): Promise<Descriptor> {
  const sniffed = await sniffCompression(store.blobs.open(blob));
  for await (const _ of sniffed.bytes) break;
  const mediaType = LAYER_TYPES[sniffed.kind];
  if (mediaType === undefined)
    throw broken(`layer "${path}" is compressed with ${sniffed.kind}, which images cannot be`);
  return { mediaType, digest: blob.digest, size: blob.sizeBytes };
}

function requireFile(files: ArchiveFiles, path: string): BlobId {
  const found = files.blob(Buffer.from(path).toString('latin1'));
  if (found === undefined) throw broken(`it lacks the file "${path}"`);
  return found;
}

function broken(why: string): BuildError {
  return new BuildError('ARCHIVE_INVALID', `The image archive cannot be loaded: ${why}.`, {
    hint: 'Write the archive again with `docker save`, `zlayer save` or skopeo.',
  });
}
