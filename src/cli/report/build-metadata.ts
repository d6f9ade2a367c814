import type { BuildResult } from '../../backends/index.ts';
import { toDescriptorPlatform } from '../../oci/index.ts';

/** The document of `--metadata-file`, with the keys that docker buildx writes; an index has no config and no platform. */
export function toBuildMetadata(
  result: BuildResult,
  annotations: Readonly<Record<string, string>> = {},
): Readonly<Record<string, unknown>> {
  const isIndex = result.images !== undefined;
  return {
    ...(isIndex ? {} : { 'containerimage.config.digest': result.configDigest }),
    'containerimage.descriptor': {
      mediaType: result.mediaType,
      digest: result.digest,
      size: result.manifestSizeBytes,
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ...(isIndex ? {} : { platform: toDescriptorPlatform(result.platform) }),
    },
    'containerimage.digest': result.digest,
    ...(result.references.length === 0 ? {} : { 'image.name': result.references.join(',') }),
  };
}
