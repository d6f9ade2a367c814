import {
  BuildError,
  formatReference,
  isBuildError,
  type Platform,
  parsePlatform,
  parseReference,
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
  const images = (await imagesInStore(deps.store, wanted)) ?? (await imagesInRegistry(deps, wanted, context));
  const isIndex = images.some((image) => image.platform !== undefined);
  return Promise.all(
    images.map((image) =>
      // What a single image is for may be said better than its config says it; an index knows its own.
      describeMember(deps.store, image, { platform: isIndex ? undefined : platform, annotations: input.annotations }),
    ),
  );
}

const HOST = platformOfHost('linux', process.arch);

interface Wanted {
  readonly word: string;
  readonly platform: Platform | undefined;
}

async function imagesInStore(store: Store, { word, platform }: Wanted): Promise<readonly Descriptor[] | undefined> {
  const found = await store.images.find(word).catch((error: unknown) => {
    if (isBuildError(error, 'IMAGE_NOT_FOUND')) return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  const here = await heldImages(store, found.descriptor);
  const chosen = choose(here, platform);
  return chosen.length === 0 ? undefined : chosen;
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

/** All images, or of an index that for the platform. */
function choose(images: readonly Descriptor[], platform: Platform | undefined): readonly Descriptor[] {
  const ofIndex = images.some((image) => image.platform !== undefined);
  if (platform === undefined || !ofIndex) return images;
  const best = selectManifest({ schemaVersion: 2, manifests: images }, platform);
  return best === undefined ? [] : [best];
}

async function imagesInRegistry(
  { store, client }: MemberDeps,
  { word, platform }: Wanted,
  context: RunContext,
): Promise<readonly Descriptor[]> {
  const reference = parseReference(word.replace(/^docker:\/\//, ''));
  const images = choose(await listRemote({ store, client: await client() }, reference, context), platform);
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
  return images;
}

/** The images behind a reference of a registry. Indexes are stored on the way, so that nested ones can be read. */
async function listRemote(
  deps: { readonly store: Store; readonly client: RegistryClient },
  reference: Reference,
  context: RunContext,
): Promise<readonly Descriptor[]> {
  const { store, client } = deps;
  const { descriptor, bytes } = await client.fetchManifest(reference, context);
  await store.blobs.put(bytes);
  const document = await findDocument(store.blobs, descriptor);
  if (document?.kind !== 'index') return [descriptor];
  const { registry, repository } = reference;
  for (const { mediaType, digest } of document.index.manifests) {
    if (isIndexType(mediaType)) await listRemote(deps, { registry, repository, digest }, context);
  }
  return listIndexImages(store.blobs, document.index);
}

interface MemberOptions {
  readonly platform: Platform | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

async function describeMember(
  store: Store,
  image: Descriptor,
  { platform, annotations = {} }: MemberOptions,
): Promise<Descriptor> {
  const { mediaType, digest, size } = image;
  const all = { ...image.annotations, ...annotations };
  return {
    mediaType,
    digest,
    size,
    platform:
      platform === undefined
        ? (image.platform ?? (await platformInConfig(store, image)))
        : toDescriptorPlatform(platform),
    ...(Object.keys(all).length === 0 ? {} : { annotations: all }),
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
