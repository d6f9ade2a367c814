import { canCompressZstd, compressGzip, compressZstd } from '../archive/index.ts';
import {
  type BlobId,
  type BlobSource,
  BuildError,
  type Digest,
  digestOf,
  type RunContext,
  throwIfCancelled,
} from '../core/index.ts';
import { blobOf, type Descriptor, type Index, type Manifest, MEDIA_TYPES, readDocument } from '../oci/index.ts';
import type { Lease, Store } from '../store/index.ts';
import { decompressAny } from './sniff-compression.ts';

/** How layers leave the store. `none` leaves them as they are, or with `force` plain. */
export interface CompressOptions {
  readonly compression: 'gzip' | 'zstd' | 'none';
  /** Default: 4 for gzip, 3 for zstd. */
  readonly level?: number | undefined;
  /**
   * Also the layers that came compressed: those of another kind, and where a level is given, all of them, since nothing tells
   * the level that they have. The bytes come from our own compressor then, the same for the same files.
   */
  readonly force?: boolean | undefined;
}

/** An image whose layers are compressed. It is not in the store; its new blobs are, for as long as they are useful. */
export interface CompressedImage {
  /** Manifest, or index over changed manifests. */
  readonly descriptor: Descriptor;
  /** Gives every blob of the image: documents, configs and layers. */
  readonly source: BlobSource;
  /** Ends the protection of the compressed blobs: the next `prune` may remove them. Must be called. */
  close(): Promise<void>;
}

/** zlib at 4 is 1.7 times as fast as at 6 and about 3 % larger: a push waits for it. */
const DEFAULT_LEVELS = { gzip: 4, zstd: 3, none: 0 } as const;

type Compression = CompressOptions['compression'];

/** The types of layers in each family: what they are, and what they become. Docker's types know no zstd. */
const FAMILIES: ReadonlyArray<Readonly<Partial<Record<Compression, string>>>> = [
  { none: MEDIA_TYPES.ociLayer, gzip: MEDIA_TYPES.ociLayerGzip, zstd: MEDIA_TYPES.ociLayerZstd },
  { none: MEDIA_TYPES.dockerLayer, gzip: MEDIA_TYPES.dockerLayerGzip },
];

/**
 * Compresses the uncompressed layers of an image. Layers that came compressed stay as they are, byte for byte, unless `force`
 * says otherwise. Media types stay in the family of the image's documents. The same layer always gives the same bytes, so what a layer was compressed to is remembered in the records `compressed`: the next time
 * nothing is compressed, unless the blob is asked for and was pruned meanwhile.
 *
 * @throws BuildError `UNSUPPORTED` for zstd where Node.js has none or the image's types have none; `BLOB_MISSING`,
 * `STORE_FULL`, `CANCELLED`.
 */
export async function compressLayers(
  store: Store,
  image: { readonly descriptor: Descriptor } & CompressOptions,
  context: RunContext,
): Promise<CompressedImage> {
  const { descriptor, compression, level, force = false } = image;
  if (compression === 'none' && !force) return { descriptor, source: store.blobs, close: async () => undefined };
  if (compression === 'zstd') requireZstd();
  const lease = await store.openLease();
  const documents = new Map<Digest, Buffer>();
  const originals = new Map<Digest, Descriptor>();
  const work: Work = {
    store,
    lease,
    method: { compression, level: level ?? DEFAULT_LEVELS[compression], force, anyLevel: level === undefined },
    documents,
    originals,
  };
  try {
    const changed = await changeDocument(work, descriptor, context);
    const source: BlobSource = {
      open: (blob, options) => openPart(work, { blob, offset: options?.offset ?? 0 }, context),
    };
    return { descriptor: changed, source, close: () => lease.release() };
  } catch (error) {
    await lease.release();
    throw error;
  }
}

interface Method {
  readonly compression: Compression;
  readonly level: number;
  readonly force: boolean;
  /** What is compressed in the same way already has a good level. */
  readonly anyLevel: boolean;
}

interface Work {
  readonly store: Store;
  readonly lease: Lease;
  readonly method: Method;
  /** Changed manifests and indexes by digest. */
  readonly documents: Map<Digest, Buffer>;
  /** The layer as it lies in the store by the digest of what it becomes. */
  readonly originals: Map<Digest, Descriptor>;
}

async function changeDocument(work: Work, descriptor: Descriptor, context: RunContext): Promise<Descriptor> {
  const document = await readDocument(work.store.blobs, descriptor);
  if (document.kind === 'index') {
    const { index } = document;
    const manifests: Descriptor[] = [];
    for (const child of index.manifests) manifests.push(await changeChild(work, child, context));
    return writeDocument(work, descriptor, {
      before: index.manifests,
      after: manifests,
      document: { ...index, manifests },
    });
  }
  const { manifest } = document;
  const layers: Descriptor[] = [];
  for (const layer of manifest.layers) layers.push(await changeLayer(work, layer, context));
  return writeDocument(work, descriptor, { before: manifest.layers, after: layers, document: { ...manifest, layers } });
}

/** An index may list platforms that were never fetched; they stay as they are. */
async function changeChild(work: Work, child: Descriptor, context: RunContext): Promise<Descriptor> {
  return (await work.store.blobs.has(blobOf(child))) ? changeDocument(work, child, context) : child;
}

interface Change {
  readonly before: readonly Descriptor[];
  readonly after: readonly Descriptor[];
  readonly document: Manifest | Index;
}

/** A document in which nothing changed keeps its bytes, and so its digest. */
function writeDocument(work: Work, descriptor: Descriptor, change: Change): Descriptor {
  if (change.after.every((part, at) => part.digest === change.before[at]?.digest)) return descriptor;
  const bytes = Buffer.from(JSON.stringify(change.document));
  const digest = digestOf(bytes);
  work.documents.set(digest, bytes);
  return { ...descriptor, digest, size: bytes.length };
}

async function changeLayer(work: Work, layer: Descriptor, context: RunContext): Promise<Descriptor> {
  const { compression } = work.method;
  const family = FAMILIES.find((types) => Object.values(types).includes(layer.mediaType));
  if (
    family === undefined ||
    isLeftAlone(work.method, layer.mediaType === family.none, layer.mediaType === family[compression])
  ) {
    return layer;
  }
  const mediaType = family[compression];
  if (mediaType === undefined) throw zstdForDocker();
  const key = recordKey(layer.digest, work.method);
  const known = await work.store.records.get<BlobId>('compressed', key);
  const blob = isBlobId(known) ? known : await compressToStore(work, layer, context);
  if (known !== blob) await work.store.records.put('compressed', key, blob);
  await work.lease.pinBlob(blob);
  work.originals.set(blob.digest, layer);
  return { ...layer, mediaType, digest: blob.digest, size: blob.sizeBytes };
}

function isLeftAlone({ compression, force, anyLevel }: Method, isPlain: boolean, isAsWanted: boolean): boolean {
  if (isPlain) return compression === 'none';
  return !force || (isAsWanted && anyLevel);
}

/** Raised when `compressGzip` gives other bytes for the same content, level and version of zlib. */
const GZIP_FORMAT = 2;

/** Another version of zlib or zstd gives other bytes. */
function recordKey(digest: Digest, { compression, level }: Method): string {
  const { zlib, zstd }: Readonly<Record<string, string | undefined>> = process.versions;
  const versions = { gzip: `${GZIP_FORMAT}-${zlib ?? ''}`, zstd: zstd ?? '', none: '' };
  const version = versions[compression];
  return `${digest}+${compression}-${level}+${version}`;
}

function isBlobId(value: Partial<BlobId> | undefined): value is BlobId {
  return typeof value?.digest === 'string' && typeof value.sizeBytes === 'number';
}

async function compressToStore(work: Work, layer: Descriptor, context: RunContext): Promise<BlobId> {
  const ingest = await work.store.blobs.ingest();
  try {
    for await (const chunk of compressedBytes(work, layer, context)) ingest.write(chunk);
    return await ingest.commit();
  } catch (error) {
    await ingest.abort();
    throw error;
  }
}

async function* compressedBytes(work: Work, layer: Descriptor, context: RunContext): AsyncGenerator<Uint8Array> {
  const { compression, level } = work.method;
  const progress = {
    kind: 'transfer',
    direction: 'export',
    id: `compress ${layer.digest}`,
    totalBytes: layer.size,
  } as const;
  const name = `compress ${layer.digest.slice(0, 19)}`;
  let currentBytes = 0;
  const emit = (done: boolean): void => context.emit({ ...progress, name, time: Date.now(), currentBytes, done });
  const observed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of plainBytes(work, layer)) {
      throwIfCancelled(context.signal);
      currentBytes += chunk.length;
      emit(false);
      yield chunk;
    }
  };
  if (compression === 'none') yield* observed();
  else yield* compression === 'gzip' ? compressGzip(observed(), { level }) : compressZstd(observed(), { level });
  emit(true);
}

/** The tar of a layer. What lies plain in the store is read as it is: a tar may begin with any file. */
function plainBytes({ store }: Work, layer: Descriptor): AsyncIterable<Uint8Array> {
  const bytes = store.blobs.open(blobOf(layer));
  return FAMILIES.some(({ none }) => none === layer.mediaType) ? bytes : decompressAny(bytes);
}

/** Of a compressed layer that was pruned since, the bytes are made again. */
async function* openPart(
  work: Work,
  { blob, offset }: { readonly blob: BlobId; readonly offset: number },
  context: RunContext,
): AsyncGenerator<Uint8Array> {
  const document = work.documents.get(blob.digest);
  if (document !== undefined) {
    yield document.subarray(offset);
    return;
  }
  const original = work.originals.get(blob.digest);
  if (original !== undefined && !(await work.store.blobs.has(blob))) {
    await work.store.blobs.write(blob, compressedBytes(work, original, context));
  }
  yield* work.store.blobs.open(blob, { offset });
}

/** @throws BuildError `UNSUPPORTED` where this Node.js has no zstd. */
export function requireZstd(): void {
  if (canCompressZstd()) return;
  throw new BuildError('UNSUPPORTED', 'Layers cannot be compressed with zstd: this Node.js has no zstd.', {
    hint: 'Use Node.js 22.15 or later, or compression=gzip.',
  });
}

function zstdForDocker(): BuildError {
  return new BuildError(
    'UNSUPPORTED',
    "Layers of a Docker schema 2 image cannot be compressed with zstd: Docker's media types have none for it, and OCI's do not mix with them.",
    { hint: 'Use compression=gzip for this image, or make it with OCI media types.' },
  );
}
