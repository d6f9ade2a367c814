import { type Digest, digestOf } from '../core/index.ts';
import { type Descriptor, encodeManifest, MEDIA_TYPES, toOciManifest } from '../oci/index.ts';

/** What an artifact in image form is made of. */
export interface CacheImageParts {
  readonly configType: string;
  readonly configBytes: Buffer;
  readonly layers: readonly Descriptor[];
}

/** The documents of such an image, in memory: they are read through a store that lacks them. */
export interface CacheImage {
  readonly descriptor: Descriptor;
  readonly documents: ReadonlyMap<Digest, Buffer>;
}

const EMPTY = Buffer.from('{}');

/**
 * An OCI image manifest over a config of our own and some layers, which every registry takes: a manifest without layers gets
 * the empty one of the image-spec, and Docker's types of layers become OCI's.
 */
export function toCacheImage({ configType, configBytes, layers }: CacheImageParts): CacheImage {
  const empty = layers.length === 0 ? [EMPTY] : [];
  const manifest = toOciManifest({
    schemaVersion: 2,
    config: describe(configType, configBytes),
    layers: [
      ...layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      ...empty.map((bytes) => describe(MEDIA_TYPES.ociEmpty, bytes)),
    ],
  });
  const bytes = encodeManifest(manifest);
  const documents = [bytes, configBytes, ...empty].map((each) => [digestOf(each), each] as const);
  return { descriptor: describe(MEDIA_TYPES.ociManifest, bytes), documents: new Map(documents) };
}

function describe(mediaType: string, bytes: Buffer): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}
