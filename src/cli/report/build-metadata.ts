import type { BuildResult } from '../../backends/index.ts';
import { toDescriptorPlatform } from '../../oci/index.ts';

/**
 * The document of `--metadata-file`, with the keys that docker buildx writes; an index has no config and no platform. Of an
 * image that was pushed the digest is that in the registry, where its layers are compressed.
 */
export function toBuildMetadata(result: BuildResult): Readonly<Record<string, unknown>> {
  const isIndex = result.images !== undefined;
  const [pushed] = result.pushed ?? [];
  const { created } = result.config;
  const digest = pushed?.digest ?? result.digest;
  const annotations = {
    ...(isIndex ? {} : { 'config.digest': result.configDigest }),
    ...(created === undefined ? {} : { 'org.opencontainers.image.created': created }),
    ...result.descriptorAnnotations,
  };
  return {
    ...(isIndex ? {} : { 'containerimage.config.digest': result.configDigest }),
    'containerimage.descriptor': {
      mediaType: pushed?.mediaType ?? result.mediaType,
      digest,
      size: pushed?.sizeBytes ?? result.manifestSizeBytes,
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ...(isIndex ? {} : { platform: toDescriptorPlatform(result.platform) }),
    },
    'containerimage.digest': digest,
    ...(result.references.length === 0 ? {} : { 'image.name': result.references.join(',') }),
  };
}
