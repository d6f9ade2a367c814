import { BuildError } from '../core/index.ts';
import { type Descriptor, type Manifest, MEDIA_TYPES } from './types.ts';

const T = MEDIA_TYPES;

const OCI_TO_DOCKER: Readonly<Record<string, string>> = {
  [T.ociIndex]: T.dockerIndex,
  [T.ociManifest]: T.dockerManifest,
  [T.ociConfig]: T.dockerConfig,
  [T.ociLayer]: T.dockerLayer,
  [T.ociLayerGzip]: T.dockerLayerGzip,
};
const DOCKER_TO_OCI = Object.fromEntries(Object.entries(OCI_TO_DOCKER).map(([oci, docker]) => [docker, oci]));
const DOCKER_TYPES: ReadonlySet<string> = new Set(Object.keys(DOCKER_TO_OCI));

/** The families of media types, which never mix in one manifest. */
export type MediaFamily = 'oci' | 'docker';

/** The family of a manifest or index, by its media type. OCI documents may leave it out. */
export function mediaFamilyOf({ mediaType }: { readonly mediaType?: string }): MediaFamily {
  return mediaType === T.dockerManifest || mediaType === T.dockerIndex ? 'docker' : 'oci';
}

/**
 * A manifest in Docker's types. Annotations, `subject` and `artifactType`, which Docker's schema 2 does not have, are left
 * out.
 *
 * @throws BuildError `UNSUPPORTED` for a layer or config that Docker has no type for, such as zstd.
 */
export function toDockerManifest(manifest: Manifest): Manifest {
  const convert = (descriptor: Descriptor): Descriptor => {
    const mediaType = DOCKER_TYPES.has(descriptor.mediaType)
      ? descriptor.mediaType
      : OCI_TO_DOCKER[descriptor.mediaType];
    const isForeign = descriptor.mediaType === T.dockerForeignLayer;
    if (mediaType === undefined && !isForeign) throw unconvertible(descriptor, 'Docker');
    const { digest, size, urls } = descriptor;
    return { mediaType: mediaType ?? descriptor.mediaType, digest, size, ...(urls === undefined ? {} : { urls }) };
  };
  return {
    schemaVersion: 2,
    mediaType: T.dockerManifest,
    config: convert(manifest.config),
    layers: manifest.layers.map(convert),
  };
}

/**
 * A manifest in OCI's types.
 *
 * @throws BuildError `UNSUPPORTED` for a foreign layer, which OCI does not know any more.
 */
export function toOciManifest(manifest: Manifest): Manifest {
  const convert = (descriptor: Descriptor): Descriptor => {
    const mediaType = DOCKER_TO_OCI[descriptor.mediaType];
    if (mediaType !== undefined) return { ...descriptor, mediaType };
    if (descriptor.mediaType.startsWith('application/vnd.docker.')) throw unconvertible(descriptor, 'OCI');
    return descriptor;
  };
  return {
    ...manifest,
    mediaType: T.ociManifest,
    config: convert(manifest.config),
    layers: manifest.layers.map(convert),
  };
}

function unconvertible({ mediaType }: Descriptor, family: string): BuildError {
  return new BuildError(
    'UNSUPPORTED',
    `The image cannot have ${family} media types: there is none for "${mediaType}".`,
    {
      hint:
        family === 'Docker' ? 'Keep OCI media types, or compress the layers with gzip.' : 'Keep Docker media types.',
    },
  );
}
