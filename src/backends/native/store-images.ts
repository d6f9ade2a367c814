import type { BlobId, RunContext } from '../../core/index.ts';
import {
  type Descriptor,
  encodeIndex,
  type Index,
  type LayerRef,
  MEDIA_TYPES,
  mediaFamilyOf,
  platformOfConfig,
  toDescriptorPlatform,
} from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import { annotationsAt, rootAnnotations } from '../request/annotations.ts';
import type { AssembledImage } from '../request/assemble-image.ts';
import type { BuildRequest } from '../types.ts';
import { bringLayers, leavesImage } from './bring-layers.ts';
import type { BaseImage } from './resolve-base.ts';
import type { BuildDeps, SolvedBuild } from './solve-request.ts';

/** An image that is put together, with its layers. */
export interface LayeredImage {
  readonly image: AssembledImage;
  readonly layers: readonly LayerRef[];
}

interface StoreInput {
  readonly images: readonly LayeredImage[];
  readonly references: readonly string[];
  readonly solved: SolvedBuild;
}

/**
 * Stores the documents, makes everything that they name durable, and only then gives the names: to the image, or to an index
 * over several. An image whose layers nothing needs here has no name (decision 13).
 */
export async function storeImages(deps: BuildDeps, input: StoreInput, context: RunContext): Promise<Descriptor> {
  const { store } = deps;
  const { images, references, solved } = input;
  const layers = images.flatMap((each) => each.layers);
  const unique = [...new Map(layers.map((layer) => [layer.blob.digest, layer])).values()];
  const isWhole = await bringLayers(deps, { layers: unique, references, solved }, context);
  const blobs: BlobId[] = isWhole ? unique.map(({ blob }) => ({ digest: blob.digest, sizeBytes: blob.size })) : [];
  for (const { image } of images) {
    blobs.push(await store.blobs.put(image.configBytes), await store.blobs.put(image.manifestBytes));
  }
  const root = await storeRoot(store, { images, request: solved.loaded.request }, blobs);
  if (!leavesImage(solved.loaded.request)) return root;
  if (!isWhole) {
    await takeNames(store, references, root);
    return root;
  }
  await store.sync(blobs);
  await store.images.set(references, root);
  for (const base of solved.lowered.images.flatMap((each) => each.bases)) await nameBase(store, base, layers);
  return root;
}

/** The store lists whole images alone. A name that now means an image elsewhere does not go on to mean an older one here. */
async function takeNames(store: Store, references: readonly string[], root: Descriptor): Promise<void> {
  for (const reference of references) {
    const before = await store.images.get(reference);
    if (before !== undefined && before.descriptor.digest !== root.digest) await store.images.remove(reference);
  }
}

/** What the names are given to. The index of several images is in the list of blobs then. */
async function storeRoot(
  store: Store,
  { images, request }: { readonly images: readonly LayeredImage[]; readonly request: BuildRequest },
  blobs: BlobId[],
): Promise<Descriptor> {
  const [only, ...others] = images;
  const annotations = annotated(rootAnnotations(request));
  if (only !== undefined && others.length === 0) return { ...only.image.descriptor, ...annotations };
  const index = indexOf(
    images.map(({ image }) => image),
    request,
  );
  const blob = await store.blobs.put(encodeIndex(index));
  blobs.push(blob);
  return { mediaType: index.mediaType!, digest: blob.digest, size: blob.sizeBytes, ...annotations };
}

/** The index over the images of a build, all of one family of types. */
function indexOf(images: readonly AssembledImage[], request: BuildRequest): Index {
  const isDocker = images.every(({ descriptor }) => mediaFamilyOf(descriptor) === 'docker');
  const manifests = images.map(({ descriptor, config }) => {
    const platform = platformOfConfig(config);
    const annotations = annotated(annotationsAt(request, 'manifest-descriptor', platform));
    return { ...descriptor, ...annotations, platform: toDescriptorPlatform(platform) };
  });
  const mediaType = isDocker ? MEDIA_TYPES.dockerIndex : MEDIA_TYPES.ociIndex;
  return { schemaVersion: 2, mediaType, manifests, ...annotated(annotationsAt(request, 'index')) };
}

function annotated(annotations: Readonly<Record<string, string>>): Pick<Index, 'annotations'> {
  return Object.keys(annotations).length === 0 ? {} : { annotations };
}

/** A pulled base gets its name when all of its layers came with the image, so that it is not asked for again. */
async function nameBase(store: Store, base: BaseImage, layers: readonly LayerRef[]): Promise<void> {
  const here = new Set(layers.map((layer) => layer.diffId));
  if (base.storeAs === undefined || !base.layers.every((layer) => here.has(layer.diffId))) return;
  await store.images.set([base.storeAs], base.root);
}
