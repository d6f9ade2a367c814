import { writeFileSync } from 'node:fs';
import { encodeToc, type LayerItem, type WrittenLayer, writeLayer } from '../../archive/index.ts';
import { type BlobId, digestHex, type RunContext } from '../../core/index.ts';
import { type LayerRef, MEDIA_TYPES } from '../../oci/index.ts';
import type { EngineEnv } from '../types.ts';

/**
 * Writes a layer into the store, with its table of contents beside it, and protects both with the build's lease.
 *
 * @throws BuildError as `writeLayer` does; the store then keeps nothing.
 */
export async function storeLayer(env: EngineEnv, items: Iterable<LayerItem>, context: RunContext): Promise<LayerRef> {
  const options = { signal: context.signal, ...clampOf(env) };
  const ingest = await env.store.blobs.ingest();
  let written: WrittenLayer;
  try {
    written = await writeLayer(items, ingest, options);
  } catch (error) {
    await ingest.abort();
    throw error;
  }
  return keepLayer(env, { blob: await ingest.commit(), written });
}

async function keepLayer(
  env: EngineEnv,
  layer: { readonly blob: BlobId; readonly written: WrittenLayer },
): Promise<LayerRef> {
  const { digest, sizeBytes } = layer.blob;
  const key = digestHex(digest);
  await env.store.area('tocs').create(key, async (path) => writeFileSync(path, encodeToc(layer.written.toc)));
  await Promise.all([env.lease.pinBlob(layer.blob), env.lease.pinEntry('tocs', key)]);
  return { diffId: digest, blob: { mediaType: MEDIA_TYPES.ociLayer, digest, size: sizeBytes } };
}

function clampOf(env: EngineEnv): { readonly clampMtime?: number } {
  return env.clampMtime === undefined ? {} : { clampMtime: env.clampMtime };
}
