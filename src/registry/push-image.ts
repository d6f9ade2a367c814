import {
  type BlobId,
  type BlobSource,
  BuildError,
  createDigester,
  digestAlgorithm,
  formatReference,
  isBuildError,
  parseReference,
  type Reference,
  type RunContext,
} from '../core/index.ts';
import { blobOf, type Descriptor, type Index, type Manifest } from '../oci/index.ts';
import { isForeignLayer, parseImageDocument } from './image-documents.ts';
import { MANIFEST_LIMIT } from './manifests.ts';
import { readBytes } from './response-error.ts';
import { runAll } from './run-all.ts';
import type { FetchedManifest, RegistryClient } from './types.ts';

export interface PushRequest {
  /** Holds manifests, config and layers; what the registry has is never opened. */
  readonly source: BlobSource;
  /** Root of what is pushed: a manifest or an index. */
  readonly manifest: Descriptor;
  /** Gets the tag; without one the image is pushed by digest. */
  readonly reference: Reference;
  /**
   * Full references of images whose repositories may hold a blob (`LayerRef.origin`). Those at the same registry are tried
   * for a mount.
   */
  readonly mountFrom?: (blob: BlobId) => readonly string[] | Promise<readonly string[]>;
}

/** What a push did with the blobs; manifests are not counted. */
export interface PushedImage {
  readonly descriptor: Descriptor;
  readonly existed: number;
  readonly mounted: number;
  readonly uploaded: number;
}

/**
 * Pushes an image or an index: layers at once, then the config, then the manifest; an index after all it lists. What the
 * registry holds costs one HEAD.
 *
 * @throws BuildError those of `RegistryClient`; `BLOB_MISSING` when neither the source nor the registry holds a part.
 */
export async function pushImage(
  client: RegistryClient,
  request: PushRequest,
  context: RunContext,
): Promise<PushedImage> {
  const counts = { existed: 0, mounted: 0, uploaded: 0 };
  const push = createBlobPusher(client, request, counts);
  await pushTree(client, { ...request, push, reference: request.reference }, context);
  return { descriptor: request.manifest, ...counts };
}

type PushBlob = (blob: BlobId, context: RunContext) => Promise<void>;

interface TreePush extends PushRequest {
  readonly push: PushBlob;
}

async function pushTree(client: RegistryClient, request: TreePush, context: RunContext): Promise<void> {
  const root = await readManifest(request);
  const document = parseImageDocument(root.bytes, root.descriptor);
  if (document.kind === 'manifest') await pushParts(request, document.manifest, context);
  else await pushMembers(client, { ...request, index: document.index }, context);
  await client.pushManifest(request.reference, root, context);
}

async function pushParts({ push }: TreePush, { config, layers }: Manifest, context: RunContext): Promise<void> {
  const wanted = layers.filter((layer) => !isForeignLayer(layer));
  await runAll(
    wanted.map((layer) => (inner: RunContext) => push(blobOf(layer), inner)),
    context,
  );
  await push(blobOf(config), context);
}

async function pushMembers(
  client: RegistryClient,
  request: TreePush & { readonly index: Index },
  context: RunContext,
): Promise<void> {
  const { registry, repository } = request.reference;
  const tasks = request.index.manifests.map((member) => async (inner: RunContext): Promise<void> => {
    const reference = { registry, repository, digest: member.digest };
    try {
      await pushTree(client, { ...request, manifest: member, reference }, inner);
    } catch (error) {
      // A pulled index may list platforms that were never fetched; the registry may have them.
      const isThere =
        isBuildError(error, 'BLOB_MISSING') && (await client.findManifest(reference, inner)) !== undefined;
      if (!isThere) throw error;
    }
  });
  await runAll(tasks, context);
}

/** Pushes every blob once, however many manifests of an index share it. */
function createBlobPusher(
  client: RegistryClient,
  { source, reference, mountFrom }: PushRequest,
  counts: { existed: number; mounted: number; uploaded: number },
): PushBlob {
  const pushes = new Map<string, Promise<void>>();
  const pushOnce = async (blob: BlobId, context: RunContext): Promise<void> => {
    const origins = (await mountFrom?.(blob)) ?? [];
    const neighbours = origins.map(parseReference).filter(({ registry }) => registry === reference.registry);
    const options = { mountFrom: neighbours.map(({ repository }) => repository) };
    counts[await client.pushBlob(reference, blob, (id, at) => source.open(id, at), options, context)] += 1;
  };
  return async (blob, context) => {
    for (;;) {
      const known = pushes.get(blob.digest);
      const running = known ?? pushOnce(blob, context);
      pushes.set(blob.digest, running);
      try {
        return await running;
      } catch (error) {
        if (pushes.get(blob.digest) === running) pushes.delete(blob.digest);
        // It was begun for another manifest, whose push was given up: that is not the end of this one.
        if (known === undefined || !isBuildError(error, 'CANCELLED')) throw error;
      }
    }
  };
}

async function readManifest({ source, manifest, reference }: PushRequest): Promise<FetchedManifest> {
  const bytes = await readBytes(source.open(blobOf(manifest)), MANIFEST_LIMIT);
  if (bytes === undefined) {
    throw new BuildError(
      'IMAGE_INVALID',
      `The manifest ${manifest.digest} for ${formatReference(reference)} is larger than ${MANIFEST_LIMIT} bytes.`,
    );
  }
  const digester = createDigester(digestAlgorithm(manifest.digest));
  digester.update(bytes);
  const actual = digester.digest();
  if (actual === manifest.digest) return { bytes, descriptor: manifest };
  throw new BuildError('BLOB_DIGEST_MISMATCH', `The stored manifest ${manifest.digest} has digest ${actual}.`, {
    facts: { expected: manifest.digest, actual },
    hint: 'The store is damaged; remove the image with `zlayer rmi` and build or pull it again.',
  });
}
