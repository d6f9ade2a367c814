import { type Digest, familiarReference, parseReference, type RunContext } from '../../core/index.ts';
import type { ImageDocuments } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import { type SaveRequest, saveImages } from '../save-images.ts';
import type { NamedImage, OutputDeps } from '../types.ts';
import { chooseImage } from './choose-image.ts';
import type { DockerApi } from './docker-api.ts';
import { listLayers } from './list-layers.ts';
import { sendArchive } from './send-archive.ts';

/** `GET /info`, as far as it matters here. */
interface DockerInfo {
  /** Of the engine; stays over restarts. */
  readonly ID?: string;
  readonly DriverStatus?: ReadonlyArray<readonly [string, string]>;
}

/** `GET /version`. */
interface DockerVersion {
  readonly Components?: ReadonlyArray<{ readonly Name?: string }>;
}

/**
 * Loads an image through docker's API. What docker has is left out of the archive:
 *
 * - The classic store opens a layer's file only where it has no layer of that chain, so layers at the bottom that any of its
 *   images begins with are not sent.
 * - With the containerd image store an archive may lack blobs. Which ones are there the API does not tell; those of an image
 *   that was loaded before, and is still there, are.
 *
 * Should an engine not take an archive with parts left out, it gets all of it.
 *
 * @throws BuildError `OUTPUT_FAILED`, `PLATFORM_NOT_FOUND`, `CANCELLED`.
 */
export async function loadIntoDocker(
  deps: OutputDeps & { readonly api: DockerApi },
  image: NamedImage,
  context: RunContext,
): Promise<void> {
  const { api } = deps;
  const info = (await api.get<DockerInfo>('/info', context)) ?? {};
  const driver = info.DriverStatus?.find(([name]) => name === 'driver-type')?.[1] ?? '';
  if (driver.startsWith('io.containerd.')) await loadByDigest(deps, { image, engineId: info.ID ?? '' }, context);
  else await loadByChain(deps, image, context);
}

type Deps = OutputDeps & { readonly api: DockerApi };

async function loadByChain(deps: Deps, image: NamedImage, context: RunContext): Promise<void> {
  const { api } = deps;
  const chosen = await chooseImage(deps, { image, engine: `docker at ${api.url}` }, context);
  const images = [{ descriptor: chosen.descriptor, references: image.references }];
  // podman answers to the same API, and wants every file.
  const version = (await api.get<DockerVersion>('/version', context)) ?? {};
  const isDocker = !(version.Components ?? []).some(({ Name = '' }) => Name.startsWith('Podman'));
  const known = isDocker ? await countKnownLayers(api, { image: chosen, references: image.references }, context) : 0;
  await send(deps, { images, format: 'docker', compression: 'none', skip: lowest(chosen, known) }, context);
}

/** The blobs of the lowest layers, but those that stand above them as well. */
function lowest({ layers }: ImageDocuments, count: number): ReadonlySet<Digest> {
  const above = new Set(layers.slice(count).map(({ blob }) => blob.digest));
  const digests = layers.slice(0, count).map(({ blob }) => blob.digest);
  return new Set(digests.filter((digest) => !above.has(digest)));
}

interface Wanted {
  readonly image: ImageDocuments;
  readonly references: readonly string[];
}

const MOST_IMAGES = 500;
const AT_ONCE = 8;

/** How many layers, from the lowest up, some image of the engine has in common with ours. */
async function countKnownLayers(api: DockerApi, { image, references }: Wanted, context: RunContext): Promise<number> {
  const diffIds = image.layers.map(({ diffId }) => diffId);
  const listed = (await api.get<readonly DockerImage[]>('/images/json', context)) ?? [];
  const repositories = new Set(references.map((reference) => repositoryOf(reference)));
  const isOurs = ({ RepoTags }: DockerImage): boolean =>
    (RepoTags ?? []).some((name) => repositories.has(repositoryOf(name)));
  // The image that was loaded last time most likely has it all.
  const ids = [...listed.filter(isOurs), ...listed.filter((each) => !isOurs(each))].map(({ Id }) => Id);
  let known = 0;
  for (let at = 0; at < Math.min(ids.length, MOST_IMAGES) && known < diffIds.length; at += AT_ONCE) {
    const inspected = await Promise.all(
      ids.slice(at, at + AT_ONCE).map((id) => api.get<InspectedImage>(`/images/${id}/json`, context)),
    );
    for (const { RootFS } of inspected.flatMap((each) => each ?? [])) {
      known = Math.max(known, commonLength(diffIds, RootFS?.Layers ?? []));
    }
  }
  return known;
}

interface DockerImage {
  readonly Id: string;
  readonly RepoTags?: readonly string[] | null;
}

interface InspectedImage {
  readonly RootFS?: { readonly Layers?: readonly string[] };
}

function commonLength(one: readonly string[], other: readonly string[]): number {
  const at = one.findIndex((each, index) => other[index] !== each);
  return at < 0 ? one.length : at;
}

function repositoryOf(name: string): string {
  try {
    const { registry, repository } = parseReference(name);
    return familiarReference({ registry, repository });
  } catch {
    return name;
  }
}

interface Loading {
  readonly image: NamedImage;
  readonly engineId: string;
}

/** An image that was loaded into an engine, with the layers that it has there. */
interface LoadedImage {
  readonly digest: string;
  readonly layers: readonly Digest[];
}

const KEPT_LOADS = 16;

async function loadByDigest(deps: Deps, { image, engineId }: Loading, context: RunContext): Promise<void> {
  const { store, api } = deps;
  const before = engineId === '' ? [] : await readLoads(store, engineId);
  const skip = new Set<Digest>();
  const there: LoadedImage[] = [];
  for (const loaded of before) {
    if ((await api.get(`/images/${loaded.digest}/json`, context)) === undefined) continue;
    there.push(loaded);
    for (const digest of loaded.layers) skip.add(digest);
  }
  const layers = await listLayers(deps, image.descriptor);
  await send(deps, { images: [image], format: 'oci', compression: 'none', skip }, context);
  if (engineId === '') return;
  const { digest } = image.descriptor;
  const kept = [{ digest, layers }, ...there.filter((each) => each.digest !== digest)].slice(0, KEPT_LOADS);
  await store.records.put('loaded', engineId, kept);
}

async function readLoads(store: Store, engineId: string): Promise<readonly LoadedImage[]> {
  const known = await store.records.get<unknown>('loaded', engineId);
  return Array.isArray(known) ? (known as readonly LoadedImage[]) : [];
}

async function send(deps: Deps, request: SaveRequest, context: RunContext): Promise<void> {
  const { api } = deps;
  await sendArchive(
    {
      engine: `docker at ${api.url}`,
      skip: request.skip ?? new Set(),
      encode: (skip) => saveImages(deps, { ...request, skip }, context),
      send: (archive) => api.load(archive, context),
    },
    context,
  );
}
