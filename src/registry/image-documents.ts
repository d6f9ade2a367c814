import { BuildError, isBuildError } from '../core/index.ts';
import { type Descriptor, type ParsedDocument, parseManifestOrIndex } from '../oci/index.ts';

/** Layers that registries need not hold: Windows base layers, and what image-spec calls non-distributable. */
export function isForeignLayer({ mediaType }: Descriptor): boolean {
  return mediaType.includes('.foreign.') || mediaType.includes('.nondistributable.');
}

/** @throws BuildError `IMAGE_INVALID` when the bytes are no manifest or index of the descriptor's type. */
export function parseImageDocument(bytes: Buffer, { digest, mediaType }: Descriptor): ParsedDocument {
  try {
    return parseManifestOrIndex(bytes, { mediaType });
  } catch (error) {
    if (!isBuildError(error, 'IMAGE_INVALID')) throw error;
    throw new BuildError('IMAGE_INVALID', `${digest} is no valid ${mediaType}: ${error.message}`, {
      hint: error.hint,
      cause: error,
    });
  }
}
