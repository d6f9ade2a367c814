import {
  type BlobId,
  type BlobSink,
  BuildError,
  type Digest,
  formatPlatform,
  formatReference,
  isBuildError,
  type Platform,
  type Reference,
  type RunContext,
} from '../core/index.ts';
import { blobOf, type Descriptor, type Index, isIndexType, type Manifest, selectManifest } from '../oci/index.ts';
import { isForeignLayer, parseImageDocument } from './image-documents.ts';
import { runAll } from './run-all.ts';
import type { FetchedManifest, PulledImage, RegistryClient } from './types.ts';

/** Where a pull puts blobs, and finds those it need not fetch. A `BlobStore` is one. */
export interface PullSink extends BlobSink {
  /** Undefined when the blob is not here. */
  stat(digest: Digest): Promise<BlobId | undefined>;
  /** The whole of a small blob, verified. */
  read(blob: BlobId): Promise<Buffer>;
}

export interface PullRequest {
  readonly reference: Reference;
  readonly platform: Platform;
  readonly sink: PullSink;
  /** `none`: only manifests and config, for images whose layers are fetched when they are needed. Default `all`. */
  readonly layers?: 'all' | 'none';
}

const MOST_NESTED_INDEXES = 4;

/**
 * Fetches an image for one platform into a sink: root, manifest and config first, then the missing layers at once. A tag is
 * always asked of the registry; what is named by digest and lies in the sink needs no network at all.
 *
 * @throws BuildError those of `RegistryClient`; `PLATFORM_NOT_FOUND`, `IMAGE_INVALID`, `UNSUPPORTED` (schema 1).
 */
export async function pullImage(
  client: RegistryClient,
  request: PullRequest,
  context: RunContext,
): Promise<PulledImage> {
  const root = await readRoot(client, request, context);
  const { descriptor, manifest } = await descend(client, { ...request, root }, context);
  await fetchInto(client, { ...request, descriptor: manifest.config }, context);
  if (request.layers !== 'none') {
    const tasks = uniqueLayers(manifest).map(
      (layer) => (inner: RunContext) => fetchInto(client, { ...request, descriptor: layer }, inner),
    );
    await runAll(tasks, context);
  }
  return { root: root.descriptor, manifest: descriptor, config: manifest.config, layers: manifest.layers };
}

function uniqueLayers({ layers }: Manifest): readonly Descriptor[] {
  return [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
}

/** HEAD tells what a tag is; the document itself is fetched only when the sink lacks it (and costs no pull quota else). */
async function readRoot(client: RegistryClient, request: PullRequest, context: RunContext): Promise<FetchedManifest> {
  const { reference, sink } = request;
  const known = reference.digest === undefined ? undefined : await sink.stat(reference.digest);
  if (known !== undefined) {
    const bytes = await sink.read(known);
    return { bytes, descriptor: { mediaType: mediaTypeIn(bytes), digest: known.digest, size: known.sizeBytes } };
  }
  const descriptor = await client.resolve(reference, context);
  return readManifest(client, { ...request, descriptor }, context);
}

/** A document without `mediaType` is OCI's; an index is told by its list of manifests. */
function mediaTypeIn(bytes: Buffer): string {
  const document = JSON.parse(bytes.toString('utf8')) as { readonly mediaType?: string; readonly manifests?: unknown };
  const kind = document.manifests === undefined ? 'manifest' : 'index';
  return document.mediaType ?? `application/vnd.oci.image.${kind}.v1+json`;
}

interface Wanted extends PullRequest {
  readonly descriptor: Descriptor;
}

async function readManifest(client: RegistryClient, wanted: Wanted, context: RunContext): Promise<FetchedManifest> {
  const { reference, descriptor, sink } = wanted;
  const blob = blobOf(descriptor);
  if (await sink.has(blob)) return { descriptor, bytes: await sink.read(blob) };
  const fetched = await client.fetchManifest({ ...reference, digest: descriptor.digest }, context);
  await sink.write(blobOf(fetched.descriptor), once(fetched.bytes));
  return { descriptor: { ...fetched.descriptor, mediaType: descriptor.mediaType }, bytes: fetched.bytes };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** From the root down to the manifest of the wanted platform. */
async function descend(
  client: RegistryClient,
  request: PullRequest & { readonly root: FetchedManifest },
  context: RunContext,
): Promise<{ readonly descriptor: Descriptor; readonly manifest: Manifest }> {
  let current = request.root;
  for (let depth = 0; depth <= MOST_NESTED_INDEXES; depth += 1) {
    const document = parseImageDocument(current.bytes, current.descriptor);
    if (document.kind === 'manifest') return { descriptor: current.descriptor, manifest: document.manifest };
    const descriptor = selectManifest(document.index, request.platform);
    if (descriptor === undefined)
      throw platformError({ ...request, name: formatReference(request.reference) }, document.index);
    current = await readManifest(client, { ...request, descriptor }, context);
  }
  throw new BuildError(
    'IMAGE_INVALID',
    `${formatReference(request.reference)} nests indexes more than ${MOST_NESTED_INDEXES} deep.`,
  );
}

/** The error for an index that has no image for a platform: it names those that there are. */
export function platformError(
  { name, platform }: { readonly name: string; readonly platform: Platform },
  index: Index,
): BuildError {
  const offered = index.manifests
    .filter(
      ({ platform: entry, mediaType }) => entry !== undefined && entry.os !== 'unknown' && !isIndexType(mediaType),
    )
    .map(({ platform: entry }) => formatPlatform(entry!));
  return new BuildError('PLATFORM_NOT_FOUND', `${name} has no image for ${formatPlatform(platform)}.`, {
    hint:
      offered.length === 0
        ? 'Its index lists no image at all.'
        : `It has images for ${[...new Set(offered)].join(', ')}. Choose one with --platform.`,
  });
}

async function fetchInto(client: RegistryClient, wanted: Wanted, context: RunContext): Promise<void> {
  const { reference, descriptor, sink } = wanted;
  const blob = blobOf(descriptor);
  if (await sink.has(blob)) return;
  const write = (): Promise<void> => sink.write(blob, client.fetchBlob(reference, blob, context));
  try {
    // Wrong bytes from a mirror are worth a second try: the client does not ask that mirror again.
    await write().catch((error: unknown) => {
      if (isBuildError(error, 'BLOB_DIGEST_MISMATCH')) return write();
      throw error;
    });
  } catch (error) {
    const isAbsent = isBuildError(error, 'IMAGE_NOT_FOUND') && isForeignLayer(descriptor);
    throw isAbsent ? foreignLayerError(wanted, error) : error;
  }
}

function foreignLayerError({ reference, descriptor }: Wanted, cause: unknown): BuildError {
  return new BuildError(
    'UNSUPPORTED',
    `The layer ${descriptor.digest} of ${formatReference(reference)} may not be distributed, and its registry does not hold it.`,
    { hint: 'Use a copy of the image whose registry holds all layers.', cause },
  );
}
