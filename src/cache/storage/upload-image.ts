import { type BlobId, type BlobSource, BuildError, digestOf, type RunContext } from '../../core/index.ts';
import { blobOf, MEDIA_TYPES, parseManifest, readVerified } from '../../oci/index.ts';
import { compressLayers } from '../../outputs/index.ts';
import { type FetchedManifest, readBytes, runEach } from '../../registry/index.ts';
import type { OutgoingCache } from '../types.ts';

const UPLOADS_AT_ONCE = 4;
/** No manifest is larger, and no answer of a service of objects. */
export const MAX_OBJECT_BYTES = 4 << 20;

/** Objects of a store that knows nothing of images. */
export interface ObjectSink {
  hasBlob(blob: BlobId, context: RunContext): Promise<boolean>;
  putBlob(blob: BlobId, source: BlobSource, context: RunContext): Promise<void>;
  /** Comes last: until then the cache is what it was. */
  putManifest(bytes: Buffer, context: RunContext): Promise<void>;
}

/** Uploads what a store of objects lacks of a cache. */
export async function uploadImage(sink: ObjectSink, cache: OutgoingCache, context: RunContext): Promise<void> {
  const image = await compressLayers(cache.store, cache, context);
  try {
    const bytes = await readVerified(image.source, blobOf(image.descriptor));
    const { config, layers } = parseManifest(bytes);
    const unique = new Map([...layers, config].map((part) => [part.digest, blobOf(part)]));
    const work = async (blob: BlobId, inner: RunContext): Promise<void> => {
      if (!(await sink.hasBlob(blob, inner))) await sink.putBlob(blob, image.source, inner);
    };
    await runEach(unique.values(), { atOnce: UPLOADS_AT_ONCE, work }, context);
    await sink.putManifest(bytes, context);
  } finally {
    await image.close();
  }
}

/** Compresses layers into the store: the write that follows finds them there. */
export async function stageInStore({ store, ...image }: OutgoingCache, context: RunContext): Promise<void> {
  await (await compressLayers(store, image, context)).close();
}

/** The manifest of a cache, as a store of objects has it. @throws BuildError `IMAGE_INVALID` for one that is too large. */
export async function readManifestObject(body: AsyncIterable<Uint8Array>): Promise<FetchedManifest> {
  const bytes = await readBytes(body, MAX_OBJECT_BYTES);
  if (bytes === undefined) throw new BuildError('IMAGE_INVALID', 'its manifest is too large');
  const descriptor = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(bytes), size: bytes.length };
  return { bytes, descriptor };
}
