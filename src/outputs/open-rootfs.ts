import { readFile, writeFile } from 'node:fs/promises';
import { createLayerView, encodeToc, type FileTree, indexLayer, openToc, type Toc } from '../archive/index.ts';
import { type Digest, digestHex, isBuildError, type RunContext, throwIfCancelled } from '../core/index.ts';
import { blobOf, type Descriptor, type ImageDocuments } from '../oci/index.ts';
import type { Lease, Store } from '../store/index.ts';
import { decompressAny } from './sniff-compression.ts';

/** The root file system of an image, for as long as it is not closed. */
export interface Rootfs {
  readonly tree: FileTree;
  close(): Promise<void>;
}

/**
 * The merged view of an image's layers, whiteouts applied. Layers that came compressed are decompressed into the store, where
 * builds find them too.
 *
 * @throws BuildError `BLOB_MISSING`, `BLOB_DIGEST_MISMATCH` when a layer is not what the config says, `ARCHIVE_INVALID`.
 */
export async function openRootfs(
  store: Store,
  image: Pick<ImageDocuments, 'layers'>,
  context: RunContext,
): Promise<Rootfs> {
  const lease = await store.openLease();
  try {
    const layers = [];
    for (const layer of image.layers) {
      const tarPath = await provideTar({ store, lease }, layer, context);
      layers.push({ tarPath, toc: await provideToc({ store, lease }, { diffId: layer.diffId, tarPath }) });
    }
    return { tree: createLayerView(layers), close: () => lease.release() };
  } catch (error) {
    await lease.release();
    throw error;
  }
}

interface Held {
  readonly store: Store;
  readonly lease: Lease;
}

interface Layer {
  readonly diffId: Digest;
  readonly blob: Descriptor;
}

async function provideTar({ store, lease }: Held, { diffId, blob }: Layer, context: RunContext): Promise<string> {
  const known = await store.blobs.stat(diffId);
  if (known !== undefined && (await lease.pinBlob(known))) return store.blobs.path(diffId);
  const ingest = await store.blobs.ingest();
  try {
    let sizeBytes = 0;
    for await (const chunk of decompressAny(store.blobs.open(blobOf(blob)))) {
      throwIfCancelled(context.signal);
      sizeBytes += chunk.length;
      ingest.write(chunk);
    }
    await ingest.commit({ digest: diffId, sizeBytes });
  } catch (error) {
    await ingest.abort();
    throw error;
  }
  return store.blobs.path(diffId);
}

async function provideToc({ store, lease }: Held, layer: { diffId: Digest; tarPath: string }): Promise<Toc> {
  const area = store.area('tocs');
  const key = digestHex(layer.diffId);
  if (await lease.pinEntry('tocs', key)) {
    try {
      return openToc(await readFile(area.path(key)));
    } catch (error) {
      // A table of another version, or a damaged one, is made again.
      if (!isBuildError(error, 'STORE_CORRUPT')) throw error;
      await area.remove(key);
    }
  }
  const toc = indexLayer(layer.tarPath);
  await area.create(key, (path) => writeFile(path, encodeToc(toc)));
  return toc;
}
