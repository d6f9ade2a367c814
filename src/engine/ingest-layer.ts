import { writeFile } from 'node:fs/promises';
import { encodeToc, type WrittenLayer } from '../archive/index.ts';
import { type BlobId, digestHex } from '../core/index.ts';
import { type LayerRef, MEDIA_TYPES } from '../oci/index.ts';
import type { Lease, Store } from '../store/index.ts';

/**
 * Takes what `write` makes into the store as a layer, with its table of contents beside it, and protects both with the
 * lease. Nothing of it stays when `write` fails.
 */
export async function ingestLayer(
  { store, lease }: { readonly store: Store; readonly lease: Lease },
  write: (sink: { write(bytes: Uint8Array): void }) => Promise<WrittenLayer>,
): Promise<LayerRef> {
  const ingest = await store.blobs.ingest();
  let written: WrittenLayer;
  try {
    written = await write(ingest);
  } catch (error) {
    await ingest.abort();
    throw error;
  }
  const blob: BlobId = await ingest.commit();
  const tocKey = digestHex(blob.digest);
  await store.area('tocs').create(tocKey, (path) => writeFile(path, encodeToc(written.toc)));
  await Promise.all([lease.pinBlob(blob), lease.pinEntry('tocs', tocKey)]);
  return {
    diffId: blob.digest,
    blob: { mediaType: MEDIA_TYPES.ociLayer, digest: blob.digest, size: blob.sizeBytes },
  };
}
