import {
  BuildError,
  formatReference,
  isBuildError,
  type Platform,
  parseReference,
  type Reference,
  type RunContext,
} from '../../core/index.ts';
import type { BaseRequest, ResolvedBase } from '../../graph/index.ts';
import {
  blobOf,
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
  readonly pull: 'missing' | 'always' | 'newer' | 'never';
}

/**
 * Resolves an image by the pull policy: from the store, else from its registry. Manifest and config are stored; layers
 * are not fetched.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `IMAGE_INVALID`, `REGISTRY_*`, `REFERENCE_INVALID`.
 */
export async function resolveBase(deps: ResolveDeps, request: BaseRequest, context: RunContext): Promise<BaseImage> {
  const reference = parseReference(request.reference);
  const { store, pull } = deps;
  const { platform } = request;
  const root = await findRoot(store, reference);
  const read = root === undefined ? undefined : await readImage(store, { root, platform });
  const local = read === undefined ? undefined : toBase({ reference, ...read, storeAs: undefined });
  const asksAnew = (pull === 'always' || pull === 'newer') && reference.digest === undefined;
  if (local !== undefined && !asksAnew) return local;
  if (pull === 'never') {
    throw new BuildError('IMAGE_NOT_FOUND', `${request.reference} is not in the store, and pulling is switched off.`, {
      hint: `Run \`zlayer pull ${request.reference}\`, or build without --pull=never.`,
    });
  }
  try {
    return await pullBase(deps, { reference, request }, context);
  } catch (thrown) {
    if (pull === 'newer' && local !== undefined && isBuildError(thrown) && thrown.kind === 'unavailable') return local;
    throw thrown;
  }
}

async function pullBase(
  { store, client }: ResolveDeps,
  { reference, request }: { readonly reference: Reference; readonly request: BaseRequest },
  context: RunContext,
): Promise<BaseImage> {
  const { platform } = request;
  const { pullImage } = await import('../../registry/index.ts');
  const pulled = await pullImage(await client(), { reference, platform, sink: store.blobs, layers: 'none' }, context);
  const image = await readImage(store, { root: pulled.root, platform });
  if (image === undefined)
    throw new BuildError('INTERNAL', `${request.reference} was pulled, but is not in the store.`);
  return toBase({ reference, ...image, storeAs: formatReference(reference) });
}

/** By name; a digest also finds an image that has another name. */
async function findRoot(store: Store, reference: Reference): Promise<Descriptor | undefined> {
  const named = await store.images.get(formatReference(reference));
  if (named !== undefined || reference.digest === undefined) return named?.descriptor;
  return (await store.images.list()).find((image) => image.descriptor.digest === reference.digest)?.descriptor;
}

interface ReadImage {
  readonly root: Descriptor;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly configBytes: Buffer;
}

/** The documents of the image for a platform below a root; undefined when one of them is not in the store. */
export async function readImage(
  store: Store,
  { root, platform }: { readonly root: Descriptor; readonly platform: Platform },
): Promise<ReadImage | undefined> {
  let descriptor = root;
  for (;;) {
    const bytes = await readBlob(store, descriptor);
    if (bytes === undefined) return undefined;
    if (isIndexType(descriptor.mediaType)) {
      const chosen = selectManifest(parseIndex(bytes), platform);
      if (chosen === undefined) return undefined;
      descriptor = chosen;
      continue;
    }
    const manifest = parseManifest(bytes);
    const configBytes = await readBlob(store, manifest.config);
    return configBytes === undefined ? undefined : { root, descriptor, manifest, configBytes };
  }
}

async function readBlob(store: Store, descriptor: Descriptor): Promise<Buffer | undefined> {
  const present = await store.blobs.has(blobOf(descriptor));
  return present ? store.blobs.read(blobOf(descriptor)) : undefined;
}

/** The base that a read image makes. @throws BuildError `IMAGE_INVALID` when config and manifest disagree. */
export function toBase(
  parts: ReadImage & { readonly reference: Reference; readonly storeAs: string | undefined },
): BaseImage {
  const { manifest, descriptor, root, storeAs } = parts;
  const config = parseConfig(parts.configBytes);
  const diffIds = config.rootfs.diff_ids;
  const { registry, repository } = parts.reference;
  const origin = formatReference({ registry, repository, digest: descriptor.digest });
  if (diffIds.length !== manifest.layers.length) {
    throw new BuildError(
      'IMAGE_INVALID',
      `${origin} has ${manifest.layers.length} layers, but its config names ${diffIds.length}.`,
    );
  }
  const layers = manifest.layers.map((blob, index): LayerRef => ({ diffId: diffIds[index]!, blob, origin }));
  return { reference: origin, manifest: descriptor.digest, config, layers, root, storeAs };
}
