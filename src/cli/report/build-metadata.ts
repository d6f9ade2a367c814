import type { BuildResult } from '../../backends/index.ts';

/** The document of `--metadata-file`, with the keys that docker buildx writes. */
export function toBuildMetadata(
  result: BuildResult,
  annotations: Readonly<Record<string, string>> = {},
): Readonly<Record<string, unknown>> {
  const { os, architecture, variant, osVersion } = result.platform;
  return {
    'containerimage.config.digest': result.configDigest,
    'containerimage.descriptor': {
      mediaType: result.mediaType,
      digest: result.digest,
      size: result.manifestSizeBytes,
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      platform: {
        architecture,
        os,
        ...(variant === undefined ? {} : { variant }),
        ...(osVersion === undefined ? {} : { 'os.version': osVersion }),
      },
    },
    'containerimage.digest': result.digest,
    ...(result.references.length === 0 ? {} : { 'image.name': result.references.join(',') }),
  };
}
