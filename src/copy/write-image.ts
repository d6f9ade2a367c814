import { resolve } from 'node:path';
import { BuildError, formatReference, parseReference, type Reference, type RunContext } from '../core/index.ts';
import { blobOf, type Descriptor, isIndexType, readImage } from '../oci/index.ts';
import {
  encodeLayout,
  encodeSavedImages,
  type LayoutContent,
  layoutEntry,
  listImageBlobs,
  writeDestination,
  writeLayout,
  writeRegistryOutput,
} from '../outputs/index.ts';
import { pushImage, type RegistryClient, runEach } from '../registry/index.ts';
import { checkMembers } from './check-members.ts';
import type { CopiedImage, CopyDeps, ImagePlace, ImageSource } from './types.ts';

type Place<K extends ImagePlace['kind']> = Extract<ImagePlace, { readonly kind: K }>;

/** An image on its way. */
export interface Copy<P extends ImagePlace = ImagePlace> {
  readonly from: ImagePlace;
  readonly source: ImageSource;
  /** What of the source is copied. */
  readonly root: Descriptor;
  readonly place: P;
}

type Counts = Pick<CopiedImage, 'sent' | 'existed' | 'mounted'>;

const NOTHING: Counts = { sent: 0, existed: 0, mounted: 0 };
/** Blobs that are written to the store at once. */
const PARALLEL_WRITES = 4;

/**
 * Writes an image to a place, whole or not at all: what names it comes last.
 *
 * @throws BuildError `PLATFORM_NOT_FOUND` when the source holds a part of an index, or the place has room for one platform;
 * `BLOB_DIGEST_MISMATCH`, `OUTPUT_FAILED`, `REGISTRY_*`, `STORE_*`.
 */
export async function writeImage(deps: CopyDeps, copy: Copy, context: RunContext): Promise<Counts> {
  const { place } = copy;
  switch (place.kind) {
    case 'registry':
      return writeToRegistry(deps, { ...copy, place }, context);
    case 'store':
      return writeToStore(deps, { ...copy, place }, context);
    case 'oci':
      return writeToLayout({ ...copy, place }, context);
    case 'oci-archive':
    case 'docker-archive':
      return writeToArchive({ ...copy, place }, context);
  }
}

async function writeToRegistry(deps: CopyDeps, copy: Copy<Place<'registry'>>, context: RunContext): Promise<Counts> {
  const { source, root } = copy;
  const { reference } = copy.place;
  requireSameDigest(reference, root);
  const client = await deps.destination();
  const found = await client.findManifest(reference, context);
  // A registry takes a manifest only with all its parts.
  if (found?.digest === root.digest) return { ...NOTHING, existed: 1 };
  const { registry, repository } = reference;
  await checkMembers(source, root, async ({ digest }) => {
    const member = await client.findManifest({ registry, repository, digest }, context);
    return member !== undefined;
  });
  const { existed, mounted, uploaded } = await push(deps, { ...copy, client }, context);
  return { sent: uploaded, existed, mounted };
}

async function push(
  deps: CopyDeps,
  { from, source, root, place, client }: Copy<Place<'registry'>> & { readonly client: RegistryClient },
  context: RunContext,
) {
  const { reference } = place;
  if (from.kind !== 'store') {
    return pushImage(client, { source: source.blobs, manifest: root, reference, mountFrom: source.originsOf }, context);
  }
  // The store knows where its blobs have been, and learns where they go.
  const output = { descriptor: root, references: [reference], compression: 'none' } as const;
  const [pushed] = await writeRegistryOutput({ store: await deps.store(), client }, output, context);
  return pushed!;
}

function requireSameDigest(reference: Reference, root: Descriptor): void {
  if (reference.digest === undefined || reference.digest === root.digest) return;
  throw new BuildError(
    'USAGE',
    `The image ${root.digest} cannot be written as ${formatReference(reference)}: its digest is another.`,
    { hint: 'Leave the digest out of the destination; a copy has that of its source.' },
  );
}

async function writeToStore(deps: CopyDeps, copy: Copy<Place<'store'>>, context: RunContext): Promise<Counts> {
  const { source, root, place } = copy;
  const name = formatReference(parseReference(place.name));
  const store = await deps.store();
  await checkMembers(source, root, (member) => store.blobs.has(blobOf(member)));
  const counts = { ...NOTHING };
  const lease = await store.openLease();
  try {
    const blobs = await listImageBlobs(source.blobs, [root]);
    const work = async (descriptor: Descriptor): Promise<void> => {
      const blob = blobOf(descriptor);
      const isHere = await lease.pinBlob(blob);
      counts[isHere ? 'existed' : 'sent'] += 1;
      if (!isHere) await store.blobs.write(blob, source.blobs.open(blob));
      const [origin] = source.originsOf(blob);
      if (origin !== undefined) await store.records.put('origins', blob.digest, [origin]);
    };
    await runEach(blobs, { atOnce: PARALLEL_WRITES, work }, context);
    await store.sync(blobs.map(blobOf));
    await store.images.set([name], layoutEntry(root, undefined));
    return counts;
  } finally {
    await lease.release();
  }
}

async function writeToLayout(copy: Copy<Place<'oci'>>, context: RunContext): Promise<Counts> {
  const { source, root, place } = copy;
  await checkMembers(source, root, async () => false);
  const { written, existed } = await writeLayout(place.path, contentOf(copy), context);
  return { ...NOTHING, sent: written, existed };
}

async function writeToArchive(
  copy: Copy<Place<'oci-archive' | 'docker-archive'>>,
  context: RunContext,
): Promise<Counts> {
  const { source, root, place } = copy;
  await checkMembers(source, root, async () => false);
  const blobs = await listImageBlobs(source.blobs, [root]);
  const bytes = place.kind === 'oci-archive' ? encodeLayout(contentOf(copy)) : await encodeDocker(copy);
  await writeDestination(place.path === '-' ? '-' : resolve(place.path), bytes, context);
  return { ...NOTHING, sent: blobs.length };
}

function contentOf({ source, root, place }: Copy<Place<'oci' | 'oci-archive' | 'docker-archive'>>): LayoutContent {
  return {
    entries: [layoutEntry(root, place.name)],
    blobs: async function* () {
      for (const blob of await listImageBlobs(source.blobs, [root])) yield { blob, source: source.blobs };
    },
  };
}

async function encodeDocker({ source, root, place }: Copy<Place<'oci-archive' | 'docker-archive'>>) {
  if (isIndexType(root.mediaType)) {
    throw new BuildError('UNSUPPORTED', `${source.name} is an index, and a docker archive has room for one image.`, {
      hint: 'Choose one of its platforms with --platform, or write an oci-archive.',
    });
  }
  const references = place.name === undefined ? [] : [formatReference(parseReference(place.name))];
  const documents = await readImage(source.blobs, root);
  return encodeSavedImages([{ source: source.blobs, documents, references }]);
}
