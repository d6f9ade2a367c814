import { BuildError, formatReference, parseReference, type RunContext } from '../../core/index.ts';
import { MEDIA_TYPES, platformOfConfig, platformOfDescriptor } from '../../oci/index.ts';
import type { PruneOptions } from '../../store/index.ts';
import type { ImageDetails, ImageReceipt, ImageSummary } from '../types.ts';
import { callBuildah } from './call-buildah.ts';
import { findEntry, imageOfEntry, listEntries, nameToGive, type StorageEntry } from './find-image.ts';
import { readListDocument } from './list-document.ts';
import { type Buildah, runBuildah } from './run-buildah.ts';

interface ImageDeps {
  readonly buildah: Buildah;
  /** For temporary files. */
  readonly workDir: string;
}

/** The images that have a name. */
export async function listImages(deps: ImageDeps, context: RunContext): Promise<readonly ImageSummary[]> {
  const entries = await listEntries(deps.buildah, { all: false }, context);
  const summaries: ImageSummary[] = [];
  for (const entry of entries.filter(({ references }) => references.length > 0)) {
    const { config: _config, layers: _layers, ...summary } = await describe(deps, entry, context);
    summaries.push(summary);
  }
  return summaries;
}

/** @throws BuildError `IMAGE_NOT_FOUND`. */
export async function inspectImage(deps: ImageDeps, word: string, context: RunContext): Promise<ImageDetails> {
  return describe(deps, await findEntry(deps, word, context), context);
}

async function describe(deps: ImageDeps, entry: StorageEntry, context: RunContext): Promise<ImageDetails> {
  const image = await imageOfEntry(deps.buildah, entry, context);
  const { references } = entry;
  if (image === undefined) {
    const { descriptor, index } = await readListDocument(deps, entry.id, context);
    return {
      digest: descriptor.digest,
      configDigest: undefined,
      mediaType: descriptor.mediaType,
      references,
      platforms: index.manifests.flatMap(({ platform }) =>
        platform === undefined ? [] : [platformOfDescriptor(platform)],
      ),
      sizeBytes: index.manifests.reduce((sum, { size }) => sum + size, 0),
      createdMs: entry.createdMs,
      config: undefined,
      layers: [],
    };
  }
  const { config, manifest } = image;
  const layers = manifest.layers.map((blob, index) => ({
    diffId: config.rootfs.diff_ids[index]!,
    digest: blob.digest,
    mediaType: blob.mediaType,
    sizeBytes: blob.size,
  }));
  return {
    digest: image.digest,
    configDigest: manifest.config.digest,
    mediaType: manifest.mediaType ?? MEDIA_TYPES.ociManifest,
    references,
    platforms: [platformOfConfig(config)],
    sizeBytes: layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    createdMs: entry.createdMs,
    config,
    layers,
  };
}

/** Gives an image or a list another name. @throws BuildError `IMAGE_NOT_FOUND`, `REFERENCE_INVALID`. */
export async function tagImage(
  deps: ImageDeps,
  input: { readonly image: string; readonly reference: string },
  context: RunContext,
): Promise<ImageReceipt> {
  const { buildah } = deps;
  const reference = nameToGive(input.reference);
  const entry = await findEntry(deps, input.image, context);
  const subject = { action: `name the image ${reference}` };
  await callBuildah(buildah, { args: ['tag', entry.id, reference], subject }, context);
  const image = await imageOfEntry(buildah, entry, context);
  if (image === undefined) {
    const { digest, mediaType, size } = (await readListDocument(deps, entry.id, context)).descriptor;
    return { reference, digest, mediaType, sizeBytes: size };
  }
  const mediaType = image.manifest.mediaType ?? MEDIA_TYPES.ociManifest;
  return { reference, digest: image.digest, mediaType, sizeBytes: Buffer.byteLength(image.manifestText) };
}

/**
 * Takes a name away. An image that loses its last name goes, unless a later one is made of it; a list goes alone.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`.
 */
export async function removeImage(deps: ImageDeps, word: string, context: RunContext): Promise<void> {
  const { buildah } = deps;
  const reference = formatReference(parseReference(word));
  const entry = await findEntry(deps, reference, context);
  const target = entry.references.includes(reference) ? reference : entry.id;
  const subject = { action: `take the name ${word} away` };
  // `rmi` fails at a list with a member for this host.
  const isList = (await imageOfEntry(buildah, entry, context)) === undefined;
  await callBuildah(buildah, { args: [...(isList ? ['manifest', 'rm'] : ['rmi']), target], subject }, context);
}

/** Rounds in which images go whose only users went in the round before. */
const MOST_ROUNDS = 100;

/**
 * Frees what no name needs: with `all` also what builds left as their cache, which is all that there is.
 *
 * @throws BuildError `UNSUPPORTED` for bounds that buildah does not know.
 */
export async function prune(
  deps: ImageDeps,
  options: PruneOptions,
  context: RunContext,
): Promise<{ readonly freedBytes: number }> {
  const { buildah } = deps;
  const bound = (['unusedSinceMs', 'kinds', 'maxUsedBytes', 'dryRun'] as const).find((name) => options[name]);
  if (bound !== undefined) {
    throw new BuildError(
      'UNSUPPORTED',
      `The backend buildah-cli cannot prune by ${bound}: buildah does not know when images were used.`,
    );
  }
  if (options.all !== true) return { freedBytes: 0 };
  const before = await usedLayers(buildah, context);
  const kept = await membersOfLists(deps, context);
  let count = Number.POSITIVE_INFINITY;
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const unused = (await listEntries(buildah, { all: true }, context)).filter(
      ({ references, digest }) => references.length === 0 && !kept.has(digest),
    );
    if (unused.length === 0 || unused.length >= count) break;
    count = unused.length;
    // Those that others are made of stay for another round, and make it fail.
    await runBuildah(buildah, { args: ['rmi', ...unused.map(({ id }) => id)] }, context);
  }
  const after = await usedLayers(buildah, context);
  const gone = [...before].filter(([diffId]) => !after.has(diffId));
  return { freedBytes: gone.reduce((sum, [, sizeBytes]) => sum + sizeBytes, 0) };
}

/** The images of lists, which need no names of their own. */
async function membersOfLists(deps: ImageDeps, context: RunContext): Promise<ReadonlySet<string>> {
  const members = new Set<string>();
  for (const entry of await listEntries(deps.buildah, { all: true }, context)) {
    if (entry.references.length === 0 || (await imageOfEntry(deps.buildah, entry, context)) !== undefined) continue;
    const { index } = await readListDocument(deps, entry.id, context);
    for (const { digest } of index.manifests) members.add(digest);
  }
  return members;
}

/** Layers of all images with their sizes. */
async function usedLayers(buildah: Buildah, context: RunContext): Promise<ReadonlyMap<string, number>> {
  const layers = new Map<string, number>();
  for (const entry of await listEntries(buildah, { all: true }, context)) {
    const image = await imageOfEntry(buildah, entry, context);
    for (const [index, { size }] of image?.manifest.layers.entries() ?? []) {
      layers.set(image!.config.rootfs.diff_ids[index]!, size);
    }
  }
  return layers;
}
