import {
  BuildError,
  formatReference,
  isBuildError,
  type Platform,
  parsePlatform,
  platformOfHost,
  type Reference,
  type RunContext,
} from '../../core/index.ts';
import {
  type Descriptor,
  findDocument,
  isIndexType,
  listIndexImages,
  platformOfConfig,
  readImage,
  selectManifest,
  toDescriptorPlatform,
} from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { Store } from '../../store/index.ts';
import type { ManifestAddInput } from '../types.ts';
import { parseDestination } from './push-image.ts';
import { storePulledImage } from './store-pulled-image.ts';

interface MemberDeps {
  readonly store: Store;
  readonly client: () => Promise<RegistryClient>;
}

/**
 * The entries that an image adds to a manifest list, with all their blobs in the store: itself, or of an index its images
 * (that for `platform`, where it is given), attestations left out. What the store lacks is fetched.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `IMAGE_INVALID`, `REGISTRY_*`, `USAGE`.
 */
export async function findMembers(
  deps: MemberDeps,
  input: ManifestAddInput,
  context: RunContext,
): Promise<readonly Descriptor[]> {
  const platform = input.platform === undefined ? undefined : parsePlatform(input.platform, HOST);
  const wanted = { word: input.image, platform };
  const { images, ofIndex } =
    (await imagesInStore(deps.store, wanted)) ?? (await imagesInRegistry(deps, wanted, context));
  const annotations = input.annotations ?? {};
  return Promise.all(
    images.map((image) =>
      ofIndex
        ? describeEntry(deps.store, image, { annotations: { ...image.annotations, ...annotations } })
        : // What a single image is for may be said better than its config says it.
          describeEntry(deps.store, { ...image, platform: undefined }, { platform, annotations }),
    ),
  );
}

/** What a word leads to. The entries of an index know their platforms. */
interface FoundImages {
  readonly images: readonly Descriptor[];
  readonly ofIndex: boolean;
}

const HOST = platformOfHost('linux', process.arch);

interface Wanted {
  readonly word: string;
  readonly platform: Platform | undefined;
}

async function imagesInStore(store: Store, { word, platform }: Wanted): Promise<FoundImages | undefined> {
  // So containers tools say that they mean the registry.
  if (word.startsWith('docker://')) return undefined;
  const found = await store.images.find(word).catch((error: unknown) => {
    if (isBuildError(error, 'IMAGE_NOT_FOUND')) return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  const here = await heldImages(store, found.descriptor);
  const ofIndex = isIndexType(found.descriptor.mediaType);
  const images = ofIndex ? choose(here, platform) : here;
  return images.length === 0 ? undefined : { images, ofIndex };
}

/** The images behind a root of which the store has everything. */
async function heldImages(store: Store, root: Descriptor): Promise<readonly Descriptor[]> {
  const document = await findDocument(store.blobs, root);
  if (document === undefined) return [];
  if (document.kind === 'manifest') return [root];
  const images = await listIndexImages(store.blobs, document.index);
  const held = await Promise.all(images.map(async (image) => ((await isHeld(store, image)) ? [image] : [])));
  return held.flat();
}

async function isHeld(store: Store, image: Descriptor): Promise<boolean> {
  const document = await findDocument(store.blobs, image);
  if (document?.kind !== 'manifest') return false;
  const { config, layers } = document.manifest;
  const parts = await Promise.all(
    [config, ...layers].map(({ digest, size }) => store.blobs.has({ digest, sizeBytes: size })),
  );
  return parts.every((isHere) => isHere);
}

/** All images of an index, or that for the platform. */
function choose(manifests: readonly Descriptor[], platform: Platform | undefined): readonly Descriptor[] {
  if (platform === undefined) return manifests;
  const best = selectManifest({ schemaVersion: 2, manifests }, platform);
  return best === undefined ? [] : [best];
}

async function imagesInRegistry(
  { store, client }: MemberDeps,
  { word, platform }: Wanted,
  context: RunContext,
): Promise<FoundImages> {
  const reference = parseDestination(word);
  const remote = await listRemote({ store, client: await client() }, reference, context);
  const images = remote.ofIndex ? choose(remote.images, platform) : remote.images;
  if (images.length === 0) {
    throw new BuildError('PLATFORM_NOT_FOUND', `${formatReference(reference)} has no image that can be added.`, {
      hint: platform === undefined ? 'Its index is empty.' : 'Choose one of its platforms with --platform.',
    });
  }
  const { registry, repository } = reference;
  for (const { digest } of images) {
    const pull = { reference: { registry, repository, digest }, platform: HOST };
    await storePulledImage({ store, client: await client() }, pull, context);
  }
  return { images, ofIndex: remote.ofIndex };
}

/** The images behind a reference of a registry. Indexes are stored on the way, so that nested ones can be read. */
async function listRemote(
  deps: { readonly store: Store; readonly client: RegistryClient },
  reference: Reference,
  context: RunContext,
): Promise<FoundImages> {
  const { store, client } = deps;
  const { descriptor, bytes } = await client.fetchManifest(reference, context);
  await store.blobs.put(bytes);
  const document = await findDocument(store.blobs, descriptor);
  if (document?.kind !== 'index') return { images: [descriptor], ofIndex: false };
  const { registry, repository } = reference;
  for (const { mediaType, digest } of document.index.manifests) {
    if (isIndexType(mediaType)) await listRemote(deps, { registry, repository, digest }, context);
  }
  return { images: await listIndexImages(store.blobs, document.index), ofIndex: true };
}

interface EntryOptions {
  readonly platform?: Platform | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

async function describeEntry(
  store: Store,
  image: Omit<Descriptor, 'platform'> & { readonly platform?: Descriptor['platform'] | undefined },
  { platform, annotations }: EntryOptions,
): Promise<Descriptor> {
  const { mediaType, digest, size } = image;
  const known = platform === undefined ? image.platform : toDescriptorPlatform(platform);
  return {
    mediaType,
    digest,
    size,
    platform: known ?? (await platformInConfig(store, { mediaType, digest, size })),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

async function platformInConfig(store: Store, image: Descriptor) {
  const { config } = await readImage(store.blobs, image);
  const features = config['os.features'];
  return {
    ...toDescriptorPlatform(platformOfConfig(config)),
    ...(features === undefined ? {} : { 'os.features': features }),
  };
}
