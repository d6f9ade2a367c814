import type { BlobId } from '../core/index.ts';
import { type Descriptor, MEDIA_TYPES } from './types.ts';

/** True for an OCI index and for Docker's manifest list. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociIndex || mediaType === MEDIA_TYPES.dockerIndex;
}

/** What identifies a descriptor's blob. */
export function blobOf({ digest, size }: Descriptor): BlobId {
  return { digest, sizeBytes: size };
}
