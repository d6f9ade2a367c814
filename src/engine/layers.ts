import { open, readFile, writeFile } from 'node:fs/promises';
import {
  COMPRESSION_MAGIC_BYTES,
  type CompressionKind,
  createLayerView,
  decompress,
  detectCompression,
  encodeToc,
  type FileTree,
  indexLayer,
  openToc,
  type Toc,
} from '../archive/index.ts';
import {
  BuildError,
  chainIdOf,
  type Digest,
  digestHex,
  isBuildError,
  type RunContext,
  throwIfCancelled,
} from '../core/index.ts';
import type { LayerRef } from '../oci/index.ts';
import type { Lease, Store } from '../store/index.ts';
import type { LayerAccess } from './types.ts';

/** What access to layers needs. */
export interface LayerAccessDeps {
  readonly store: Store;
  /** Everything that is used is pinned with it. */
  readonly lease: Lease;
  /** Brings a layer's blob, as its descriptor names it, into the store. */
  readonly fetchLayer: (layer: LayerRef, context: RunContext) => Promise<void>;
}

/** Views of long chains are not kept for ever: each holds the tables of contents of its layers. */
const MAX_VIEWS = 32;

/**
 * Access to layers through a store. A compressed layer is decompressed once, verified against its diffId, and kept as the blob
 * of that digest; tables of contents lie in the area `tocs` by diffId. Work on one layer is shared between callers.
 *
 * Errors: those of `fetchLayer`; `BLOB_DIGEST_MISMATCH` when a blob does not hold what its image says; `ARCHIVE_INVALID`.
 */
export function createLayerAccess(deps: LayerAccessDeps): LayerAccess {
  const tars = createSingleFlight<Digest, string>();
  const tocs = createSingleFlight<Digest, Toc>();
  const views = new Map<string, Promise<FileTree>>();

  const tarPath = (layer: LayerRef, context: RunContext): Promise<string> =>
    tars(layer.diffId, () => provideTar(deps, layer, context));
  const toc = (layer: LayerRef, context: RunContext): Promise<Toc> =>
    tocs(layer.diffId, async () => provideToc(deps, { layer, tarPath: await tarPath(layer, context) }));

  const indexed: LayerAccess['indexed'] = (layers, context) =>
    Promise.all(
      layers.map(async (layer) => ({ toc: await toc(layer, context), tarPath: await tarPath(layer, context) })),
    );
  const openView = async (layers: readonly LayerRef[], context: RunContext): Promise<FileTree> =>
    createLayerView(await indexed(layers, context));
  return {
    tarPath,
    indexed,
    view: (layers, context) => {
      throwIfCancelled(context.signal);
      const key = chainIdOf(layers.map((layer) => layer.diffId)) ?? '';
      const known = views.get(key);
      const view = known ?? openView(layers, context);
      views.delete(key);
      views.set(key, view);
      if (known === undefined) view.catch(() => views.delete(key));
      for (const oldest of views.keys()) {
        if (views.size <= MAX_VIEWS) break;
        views.delete(oldest);
      }
      return view;
    },
  };
}

/** Remembers results by key, and lets callers of the same key wait for one run. A failed run is forgotten. */
function createSingleFlight<K, V>(): (key: K, run: () => Promise<V>) => Promise<V> {
  const running = new Map<K, Promise<V>>();
  return (key, run) => {
    const known = running.get(key);
    if (known !== undefined) return known;
    const started = run();
    running.set(key, started);
    started.catch(() => running.delete(key));
    return started;
  };
}

async function provideTar(deps: LayerAccessDeps, layer: LayerRef, context: RunContext): Promise<string> {
  const { store, lease } = deps;
  const tar = await store.blobs.stat(layer.diffId);
  if (tar !== undefined && (await lease.pinBlob(tar))) return store.blobs.path(layer.diffId);
  const blob = { digest: layer.blob.digest, sizeBytes: layer.blob.size };
  if (!(await lease.pinBlob(blob))) await deps.fetchLayer(layer, context);
  if (!(await lease.pinBlob(blob))) {
    throw new BuildError('BLOB_MISSING', `The layer ${layer.blob.digest} was fetched, but is not in the store.`);
  }
  if (layer.blob.digest !== layer.diffId) await decompressLayer(deps, layer, context);
  return store.blobs.path(layer.diffId);
}

async function decompressLayer({ store, lease }: LayerAccessDeps, layer: LayerRef, context: RunContext): Promise<void> {
  const blob = { digest: layer.blob.digest, sizeBytes: layer.blob.size };
  const ingest = await store.blobs.ingest();
  let sizeBytes = 0;
  try {
    for await (const chunk of decompress(store.blobs.open(blob), await compressionOf(store, layer))) {
      throwIfCancelled(context.signal);
      sizeBytes += chunk.length;
      ingest.write(chunk);
    }
  } catch (error) {
    await ingest.abort();
    throw error;
  }
  await lease.pinBlob(await ingest.commit({ digest: layer.diffId, sizeBytes }));
}

/** By the bytes themselves: media types of layers are not always true. */
async function compressionOf(store: Store, layer: LayerRef): Promise<CompressionKind> {
  const handle = await open(store.blobs.path(layer.blob.digest), 'r');
  try {
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(COMPRESSION_MAGIC_BYTES),
      0,
      COMPRESSION_MAGIC_BYTES,
      0,
    );
    return detectCompression(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

interface LocatedLayer {
  readonly layer: LayerRef;
  readonly tarPath: string;
}

async function provideToc({ store, lease }: LayerAccessDeps, { layer, tarPath }: LocatedLayer): Promise<Toc> {
  const area = store.area('tocs');
  const key = digestHex(layer.diffId);
  const known = (await area.has(key)) ? await readToc(area.path(key)) : undefined;
  if (known !== undefined) {
    await lease.pinEntry('tocs', key);
    return known;
  }
  const toc = indexLayer(tarPath);
  await area.remove(key);
  await area.create(key, (path) => writeFile(path, encodeToc(toc)));
  await lease.pinEntry('tocs', key);
  return toc;
}

/** A table that is damaged, or of another version, counts as missing: it is made again. */
async function readToc(path: string): Promise<Toc | undefined> {
  try {
    return openToc(await readFile(path));
  } catch (error) {
    if (isBuildError(error, 'STORE_CORRUPT') || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
