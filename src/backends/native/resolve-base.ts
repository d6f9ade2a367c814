import {
  BuildError,
  type Digest,
  formatPlatform,
  formatReference,
  type Platform,
  parseReference,
  type Reference,
  type RunContext,
} from '../../core/index.ts';
import type { BaseRequest, ResolvedBase } from '../../graph/index.ts';
import {
  type Descriptor,
  isIndexType,
  type LayerRef,
  type Manifest,
  parseConfig,
  parseIndex,
  parseManifest,
  selectManifest,
} from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { Store } from '../../store/index.ts';

/** A base image with everything that building on it needs. Its layers may still lie in the registry. */
export interface BaseImage extends ResolvedBase {
  readonly layers: readonly LayerRef[];
  /** What the reference names: the manifest itself, or an index that holds it. */
  readonly root: Descriptor;
  /** The reference to keep it under, once its layers are here; undefined when the store has it already. */
  readonly storeAs: string | undefined;
}

export interface ResolveDeps {
  readonly store: Store;
  readonly client: () => Promise<RegistryClient>;
  readonly pull: 'missing' | 'always' | 'never';
}

/**
 * Resolves an image by the pull policy: from the store, else from its registry. Manifest and config are stored; layers
 * are not fetched.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `REGISTRY_*`, `REFERENCE_INVALID`.
 */
export async function resolveBase(deps: ResolveDeps, request: BaseRequest, context: RunContext): Promise<BaseImage> {
  const reference = parseReference(request.reference);
  const local =
    deps.pull === 'always' && reference.digest === undefined ? undefined : await findLocally(deps, request, reference);
  if (local !== undefined) return local;
  if (deps.pull === 'never') {
    throw new BuildError('IMAGE_NOT_FOUND', `${request.reference} is not in the store, and pulling is switched off.`, {
      hint: `Run \`zlayer pull ${request.reference}\`, or build without --pull=never.`,
    });
  }
  return await fetchBase(deps, { request, reference }, context);
}

async function findLocally(
  deps: ResolveDeps,
  request: BaseRequest,
  reference: Reference,
): Promise<BaseImage | undefined> {
  const { store } = deps;
  const root = await findRoot(store, reference);
  if (root === undefined) return undefined;
  const read = async (descriptor: Descriptor): Promise<Buffer | undefined> =>
    (await store.blobs.stat(descriptor.digest)) === undefined ? undefined : store.blobs.read(blobOf(descriptor));
  const found = await findManifest(read, { root, request });
  if (found === undefined) return undefined;
  const configBytes = await read(found.manifest.config);
  if (configBytes === undefined) return undefined;
  return toBase({ reference, root, ...found, configBytes, storeAs: undefined });
}

/** By name; a digest also finds an image that has another name. */
async function findRoot(store: Store, reference: Reference): Promise<Descriptor | undefined> {
  const { digest } = reference;
  if (digest === undefined) return (await store.images.get(formatReference(reference)))?.descriptor;
  const named = (await store.images.list()).find((image) => image.descriptor.digest === digest);
  if (named !== undefined) return named.descriptor;
  return (await store.images.get(formatReference(reference)))?.descriptor;
}

type ReadBlob = (descriptor: Descriptor) => Promise<Buffer | undefined>;

interface FoundManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
}

/** The manifest for the wanted platform below a root; undefined when the bytes are not at hand. */
async function findManifest(
  read: ReadBlob,
  { root, request }: { readonly root: Descriptor; readonly request: BaseRequest },
): Promise<FoundManifest | undefined> {
  const bytes = await read(root);
  if (bytes === undefined) return undefined;
  if (!isIndexType(root.mediaType)) return { descriptor: root, manifest: parseManifest(bytes) };
  const index = parseIndex(bytes);
  const chosen = selectManifest(index, request.platform);
  if (chosen === undefined) throw platformMissing(request, index.manifests);
  return findManifest(read, { root: chosen, request });
}

async function fetchBase(
  deps: ResolveDeps,
  { request, reference }: { readonly request: BaseRequest; readonly reference: Reference },
  context: RunContext,
): Promise<BaseImage> {
  const client = await deps.client();
  const { store } = deps;
  const top = await client.fetchManifest(reference, context);
  const read: ReadBlob = async (descriptor) => {
    if (descriptor.digest === top.descriptor.digest) return top.bytes;
    if ((await store.blobs.stat(descriptor.digest)) !== undefined) return store.blobs.read(blobOf(descriptor));
    return (await client.fetchManifest(byDigest(reference, descriptor.digest), context)).bytes;
  };
  const found = await findManifest(read, { root: top.descriptor, request });
  if (found === undefined) throw new BuildError('IMAGE_NOT_FOUND', `${request.reference} has no manifest.`);
  const { config } = found.manifest;
  if (!(await store.blobs.has(blobOf(config)))) {
    await store.blobs.write(blobOf(config), client.fetchBlob(reference, blobOf(config), context));
  }
  const configBytes = await store.blobs.read(blobOf(config));
  await store.blobs.put(top.bytes);
  await store.blobs.put((await read(found.descriptor))!);
  return toBase({ reference, root: top.descriptor, ...found, configBytes, storeAs: formatReference(reference) });
}

interface BaseParts extends FoundManifest {
  readonly reference: Reference;
  readonly root: Descriptor;
  readonly configBytes: Buffer;
  readonly storeAs: string | undefined;
}

function toBase(parts: BaseParts): BaseImage {
  const { manifest, descriptor, root, storeAs } = parts;
  const config = parseConfig(parts.configBytes);
  const diffIds = config.rootfs.diff_ids;
  const origin = formatReference(byDigest(parts.reference, descriptor.digest));
  if (diffIds.length !== manifest.layers.length) {
    throw new BuildError(
      'IMAGE_INVALID',
      `${origin} has ${manifest.layers.length} layers, but its config names ${diffIds.length}.`,
    );
  }
  const layers = manifest.layers.map((blob, index): LayerRef => ({ diffId: diffIds[index]!, blob, origin }));
  return { reference: origin, manifest: descriptor.digest, config, layers, root, storeAs };
}

function byDigest(reference: Reference, digest: Digest): Reference {
  const { registry, repository } = reference;
  return { registry, repository, digest };
}

/** The identity of a descriptor's blob. */
export function blobOf(descriptor: Descriptor): { readonly digest: Digest; readonly sizeBytes: number } {
  return { digest: descriptor.digest, sizeBytes: descriptor.size };
}

function platformMissing(request: BaseRequest, manifests: readonly Descriptor[]): BuildError {
  const offered = manifests.flatMap(({ platform }) =>
    platform === undefined || platform.os === 'unknown' ? [] : [formatPlatform(platform as Platform)],
  );
  return new BuildError(
    'PLATFORM_NOT_FOUND',
    `${request.reference} has no image for ${formatPlatform(request.platform)}.`,
    { hint: `It offers ${[...new Set(offered)].join(', ')}.` },
  );
}
