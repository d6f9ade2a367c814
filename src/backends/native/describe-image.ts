import type { Platform, TimeMs } from '../../core/index.ts';
import {
  type Descriptor,
  findDocument,
  findImageDocuments,
  type ImageDocuments,
  listIndexImages,
  platformOfConfig,
} from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import type { ImageDetails, ImageSummary, LayerReport } from '../types.ts';

/** The images behind a manifest or index as far as they are in the store: one, or those of the index. */
async function imagesBehind(store: Store, descriptor: Descriptor): Promise<readonly ImageDocuments[]> {
  const document = await findDocument(store.blobs, descriptor);
  if (document === undefined) return [];
  const roots = document.kind === 'index' ? await listIndexImages(store.blobs, document.index) : [descriptor];
  const found = await Promise.all(roots.map((root) => findImageDocuments(store.blobs, root)));
  return found.flatMap((each) => (each.kind === 'image' ? [each.image] : []));
}

/** Everything that a list tells of an image of the store. What is not here counts for nothing. */
export async function summarizeImage(
  store: Store,
  { descriptor, references }: { readonly descriptor: Descriptor; readonly references: readonly string[] },
): Promise<ImageSummary> {
  const images = await imagesBehind(store, descriptor);
  const [sole] = images;
  return {
    digest: descriptor.digest,
    configDigest: sole?.descriptor.digest === descriptor.digest ? sole.manifest.config.digest : undefined,
    mediaType: descriptor.mediaType,
    references: [...references].sort(),
    platforms: images.map(({ config }): Platform => platformOfConfig(config)),
    sizeBytes: sizeOfLayers(images),
    createdMs: latest(images.map(({ config }) => Date.parse(config.created ?? ''))),
  };
}

/** As `summarizeImage`, with the config and the layers where it is one image. */
export async function detailImage(
  store: Store,
  image: { readonly descriptor: Descriptor; readonly references: readonly string[] },
): Promise<ImageDetails> {
  const summary = await summarizeImage(store, image);
  const [sole] = summary.configDigest === undefined ? [] : await imagesBehind(store, image.descriptor);
  return { ...summary, config: sole?.config, layers: sole?.layers.map(reportLayer) ?? [] };
}

/** A layer as results tell it. */
export function reportLayer({ diffId, blob }: ImageDocuments['layers'][number]): LayerReport {
  return { diffId, digest: blob.digest, mediaType: blob.mediaType, sizeBytes: blob.size };
}

/** Layers that several images share count once. */
function sizeOfLayers(images: readonly ImageDocuments[]): number {
  const sizes = new Map(images.flatMap(({ layers }) => layers.map(({ blob }) => [blob.digest, blob.size] as const)));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function latest(times: readonly number[]): TimeMs | undefined {
  const known = times.filter((time) => !Number.isNaN(time));
  return known.length === 0 ? undefined : Math.max(...known);
}
