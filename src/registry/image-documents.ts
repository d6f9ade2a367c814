import { type BlobId, BuildError } from '../core/index.ts';
import { type Descriptor, type Index, type Manifest, MEDIA_TYPES } from '../oci/index.ts';

/** The two things that a manifest's bytes may be. */
export type ImageDocument =
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly index: Index };

const INDEX_TYPES: readonly string[] = [MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerIndex];

export function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.includes(mediaType);
}

/** Layers that registries need not hold: Windows base layers, and what image-spec calls non-distributable. */
export function isForeignLayer({ mediaType }: Descriptor): boolean {
  return mediaType.includes('.foreign.') || mediaType.includes('.nondistributable.');
}

/** What identifies a descriptor's blob. */
export function blobOf({ digest, size }: Descriptor): BlobId {
  return { digest, sizeBytes: size };
}

/** @throws BuildError `IMAGE_INVALID` when the bytes are no manifest or index of the descriptor's type. */
export function parseImageDocument(bytes: Buffer, descriptor: Descriptor): ImageDocument {
  const value = parseJson(bytes, descriptor);
  if (isIndexType(descriptor.mediaType)) {
    if (!isDescriptorList(value.manifests)) throw invalid(descriptor, 'it has no list of manifests');
    return { kind: 'index', index: value as unknown as Index };
  }
  if (!isDescriptor(value.config)) throw invalid(descriptor, 'it names no config');
  if (!isDescriptorList(value.layers)) throw invalid(descriptor, 'it has no list of layers');
  return { kind: 'manifest', manifest: value as unknown as Manifest };
}

function parseJson(bytes: Buffer, descriptor: Descriptor): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {}
  throw invalid(descriptor, 'it is no JSON document');
}

function isDescriptorList(value: unknown): boolean {
  return Array.isArray(value) && value.every(isDescriptor);
}

function isDescriptor(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { mediaType, digest, size } = value as Partial<Descriptor>;
  return (
    typeof mediaType === 'string' &&
    typeof digest === 'string' &&
    /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(digest) &&
    Number.isSafeInteger(size) &&
    (size as number) >= 0
  );
}

function invalid({ digest, mediaType }: Descriptor, why: string): BuildError {
  return new BuildError('IMAGE_INVALID', `${digest} is no valid ${mediaType}: ${why}.`);
}
