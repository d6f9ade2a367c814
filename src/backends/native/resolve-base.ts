import {
  BuildError,
  formatReference,
  isBuildError,
  parseReference,
  type Reference,
  type RunContext,
} from '../../core/index.ts';
import type { BaseRequest, ResolvedBase } from '../../graph/index.ts';
import { type Descriptor, findImageDocuments, type ImageDocuments, type LayerRef, readImage } from '../../oci/index.ts';
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
  const read = root && (await findImageDocuments(store.blobs, root, { platform, strict: true }));
  const local = read?.kind === 'image' ? toBase(read.image, { reference, storeAs: undefined }) : undefined;
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
  const image = await readImage(store.blobs, pulled.root, { platform, strict: true });
  return toBase(image, { reference, storeAs: formatReference(reference) });
}

/** By name; a digest also finds an image that has another name. */
async function findRoot(store: Store, reference: Reference): Promise<Descriptor | undefined> {
  const named = await store.images.get(formatReference(reference));
  if (named !== undefined || reference.digest === undefined) return named?.descriptor;
  return (await store.images.list()).find((image) => image.descriptor.digest === reference.digest)?.descriptor;
}

/** The base that a read image makes. */
export function toBase(
  image: ImageDocuments,
  { reference, storeAs }: { readonly reference: Reference; readonly storeAs: string | undefined },
): BaseImage {
  const { descriptor, config, root } = image;
  const { registry, repository } = reference;
  const origin = formatReference({ registry, repository, digest: descriptor.digest });
  const layers = image.layers.map((layer): LayerRef => ({ ...layer, origin }));
  return { reference: origin, manifest: descriptor.digest, config, layers, root, storeAs };
}
