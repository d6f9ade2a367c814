import { BuildError } from '../core/index.ts';
import { type Descriptor, type Index, isIndexType, type Manifest } from '../oci/index.ts';

/** The two things that a manifest's bytes may be. */
export type ImageDocument =
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly index: Index };

/** Layers that registries need not hold: Windows base layers, and what image-spec calls non-distributable. */
export function isForeignLayer({ mediaType }: Descriptor): boolean {
  return mediaType.includes('.foreign.') || mediaType.includes('.nondistributable.');
}

/** @throws BuildError `IMAGE_INVALID` when the bytes are no manifest or index of the descriptor's type. */
export function parseImageDocument(bytes: Buffer, descriptor: Descriptor): ImageDocument {
  const value = parseJson(bytes, descriptor);
  // Programs in Go write null for an empty list.
  const { config, layers, manifests }: Readonly<Record<string, unknown>> = {
    ...value,
    layers: value.layers ?? [],
    manifests: value.manifests ?? [],
  };
  if (isIndexType(descriptor.mediaType)) {
    if (!isDescriptorList(manifests)) throw invalid(descriptor, '"manifests" is no list of descriptors');
    return { kind: 'index', index: { ...value, manifests } as unknown as Index };
  }
  if (!isDescriptor(config)) throw invalid(descriptor, 'it names no config');
  if (!isDescriptorList(layers)) throw invalid(descriptor, '"layers" is no list of descriptors');
  return { kind: 'manifest', manifest: { ...value, layers } as unknown as Manifest };
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
