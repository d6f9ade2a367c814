import { type BlobId, type BlobSource, BuildError, digestOf, type RunContext } from '../../core/index.ts';
import { blobOf, MEDIA_TYPES, parseManifest, readVerified } from '../../oci/index.ts';
import { compressLayers } from '../../outputs/index.ts';
import type { FetchedManifest } from '../../registry/index.ts';
import type { OutgoingCache } from '../types.ts';

const UPLOADS_AT_ONCE = 4;

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
    const waiting = unique.values();
    const upload = async (): Promise<void> => {
      for (const blob of waiting) {
        if (!(await sink.hasBlob(blob, context))) await sink.putBlob(blob, image.source, context);
      }
    };
    await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, upload));
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
  const bytes = await readSmall(body);
  if (bytes === undefined) throw new BuildError('IMAGE_INVALID', 'its manifest is too large');
  const descriptor = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(bytes), size: bytes.length };
  return { bytes, descriptor };
}

/** Reads a small object whole; undefined when it is larger than any manifest. */
export async function readSmall(bytes: AsyncIterable<Uint8Array>): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bytes) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_MANIFEST_BYTES) return undefined;
  }
  return Buffer.concat(chunks);
}

const MAX_MANIFEST_BYTES = 4 << 20;
