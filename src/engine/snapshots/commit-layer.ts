import { writeFile } from 'node:fs/promises';
import { createLayerWriter, encodeToc, type WrittenLayer } from '../../archive/index.ts';
import { type BlobId, digestHex, type RunContext, throwIfCancelled } from '../../core/index.ts';
import { type LayerRef, MEDIA_TYPES } from '../../oci/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import { feedMember } from './feed-member.ts';
import type { ChangedItem } from './from-overlay-form.ts';

/** What a step changed, and where it goes. */
export interface LayerCommit {
  readonly changes: AsyncIterable<ChangedItem>;
  readonly clampMtime: number | undefined;
  readonly lease: Lease;
}

/** Writes changes as a layer into a store, with its table of contents. Nothing of it stays when that fails. */
export async function commitLayer(
  store: Store,
  { changes, clampMtime, lease }: LayerCommit,
  context: RunContext,
): Promise<LayerRef> {
  const ingest = await store.blobs.ingest();
  let written: WrittenLayer;
  try {
    written = await writeLayer(ingest, { changes, clampMtime }, context);
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

async function writeLayer(
  sink: { write(bytes: Uint8Array): void },
  { changes, clampMtime }: Pick<LayerCommit, 'changes' | 'clampMtime'>,
  { signal }: RunContext,
): Promise<WrittenLayer> {
  const writer = createLayerWriter(sink, { clampMtime });
  try {
    for await (const item of changes) {
      throwIfCancelled(signal);
      if ('whiteout' in item) writer.add(item);
      else await feedMember(item, { writer, drained: () => Promise.resolve() });
    }
    return writer.finish();
  } finally {
    writer.close();
  }
}
