import { writeFile } from 'node:fs/promises';
import { createLayerWriter, encodeToc, readTar, type Toc } from '../archive/index.ts';
import { type BlobId, digestHex, type Platform, type RunContext, throwIfCancelled } from '../core/index.ts';
import { type ContainerConfig, type Descriptor, type ImageConfig, type Manifest, MEDIA_TYPES } from '../oci/index.ts';
import type { Ingest, Store } from '../store/index.ts';
import { decompressAny } from './sniff-compression.ts';
import type { OutputDeps } from './types.ts';

export interface ImportRequest {
  /** A root file system's tar, plain or compressed. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Full references; none leaves the image nameless. */
  readonly references: readonly string[];
  readonly platform: Platform;
  readonly config?: ContainerConfig | undefined;
  /** Said in the image's history. */
  readonly message?: string | undefined;
  /** Milliseconds since the epoch, for `created`; default now. */
  readonly createdMs?: number | undefined;
}

/**
 * Makes an image of one layer from a root file system (`docker import`). The tar goes through our own codec, so that the
 * layer is well-formed whatever program wrote it; order, owners, times, links and extended attributes are kept.
 *
 * @throws BuildError `ARCHIVE_INVALID`, `ARCHIVE_UNSAFE`, `STORE_FULL`, `CANCELLED`; nothing is kept then.
 */
export async function importRootfs(
  { store }: OutputDeps,
  request: ImportRequest,
  context: RunContext,
): Promise<{ readonly descriptor: Descriptor }> {
  const lease = await store.openLease();
  try {
    const layer = await importLayer(store, request.bytes, context);
    await store.area('tocs').create(digestHex(layer.blob.digest), (path) => writeFile(path, encodeToc(layer.toc)));
    const config = await store.blobs.put(toJson(configFor(request, layer.blob)));
    const manifest = manifestFor(config, layer.blob);
    const { digest, sizeBytes } = await store.blobs.put(toJson(manifest));
    const descriptor = { mediaType: MEDIA_TYPES.ociManifest, digest, size: sizeBytes };
    await store.sync([layer.blob, config, { digest, sizeBytes }]);
    await store.images.set(request.references, descriptor);
    return { descriptor };
  } finally {
    await lease.release();
  }
}

interface ImportedLayer {
  readonly blob: BlobId;
  readonly toc: Toc;
}

async function importLayer(
  store: Store,
  bytes: AsyncIterable<Uint8Array>,
  context: RunContext,
): Promise<ImportedLayer> {
  const ingest = await store.blobs.ingest();
  try {
    const toc = await rewriteTar(decompressAny(bytes), ingest, context);
    return { blob: await ingest.commit(), toc };
  } catch (error) {
    await ingest.abort();
    throw error;
  }
}

async function rewriteTar(bytes: AsyncIterable<Uint8Array>, ingest: Ingest, context: RunContext): Promise<Toc> {
  const writer = createLayerWriter(ingest);
  try {
    for await (const member of readTar(bytes)) {
      throwIfCancelled(context.signal);
      // The root of an image is made by whoever unpacks it.
      if (member.entry.path === '') continue;
      writer.begin(member.entry);
      const whole = member.takeBuffered();
      if (whole !== undefined) writer.append(whole);
      else for await (const chunk of member.body) writer.append(chunk);
    }
    return writer.finish().toc;
  } finally {
    writer.close();
  }
}

function configFor(request: ImportRequest, layer: BlobId): ImageConfig {
  const created = new Date(request.createdMs ?? Date.now()).toISOString();
  const { os, architecture, variant, osVersion } = request.platform;
  return {
    created,
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    ...(osVersion === undefined ? {} : { 'os.version': osVersion }),
    config: request.config ?? {},
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    history: [{ created, created_by: 'zlayer import', comment: request.message ?? 'Imported root file system' }],
  };
}

function manifestFor(config: BlobId, layer: BlobId): Manifest {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: config.digest, size: config.sizeBytes },
    layers: [{ mediaType: MEDIA_TYPES.ociLayer, digest: layer.digest, size: layer.sizeBytes }],
  };
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
