import {
  BuildError,
  type Digest,
  digestHex,
  familiarReference,
  formatReference,
  nearestWord,
  parseReference,
} from '../core/index.ts';
import { blobOf, type Descriptor, findConfig, findDocument, isIndexType, listIndexImages } from '../oci/index.ts';
import type { BlobStore, FoundImage, ImageStore, StoredImage } from './types.ts';

/** Where images are looked for. */
export interface ImagePlace {
  readonly blobs: BlobStore;
  readonly images: Pick<ImageStore, 'get' | 'list'>;
}

/** As docker: an id may be cut to any length; four digits are the least that is taken for one here. */
const ID = /^(?:sha256:)?([0-9a-f]{4,64})$/;

/** `ImageStore.find`. */
export async function findImage(place: ImagePlace, word: string): Promise<FoundImage> {
  const id = ID.exec(word)?.[1];
  const named = word.startsWith('sha256:') ? undefined : await findByName(place, word, id !== undefined);
  if (named !== undefined) return named;
  const matches = id === undefined ? [] : await findById(place, id);
  const distinct = new Set(matches.map(({ descriptor }) => descriptor.digest));
  if (distinct.size > 1) {
    throw new BuildError('USAGE', `The image id ${word} is ambiguous: ${distinct.size} images begin with it.`, {
      hint: 'Give more of its digits.',
    });
  }
  // An image may stand for itself and in an index: the entry of its own is meant.
  const best = matches.find(({ image, descriptor }) => image.descriptor.digest === descriptor.digest) ?? matches[0];
  if (best !== undefined) return best;
  throw await notFound(place, word);
}

async function findByName(place: ImagePlace, word: string, mayBeId: boolean): Promise<FoundImage | undefined> {
  try {
    const reference = parseReference(word);
    const exact = await place.images.get(formatReference(reference));
    if (exact !== undefined) return { image: exact, descriptor: exact.descriptor, byName: true };
    return reference.digest === undefined
      ? undefined
      : await findByDigest(place, { ...reference, digest: reference.digest });
  } catch (error) {
    if (mayBeId) return undefined;
    throw error;
  }
}

/** `name@digest`: an image under any tag of that repository, or one of the index there. */
async function findByDigest(
  place: ImagePlace,
  reference: { readonly registry: string; readonly repository: string; readonly digest: Digest },
): Promise<FoundImage | undefined> {
  const repository = `${reference.registry}/${reference.repository}`;
  for (const image of await place.images.list()) {
    if (!image.reference?.startsWith(`${repository}:`) && !image.reference?.startsWith(`${repository}@`)) continue;
    for (const descriptor of await imagesOf(place, image)) {
      if (descriptor.digest === reference.digest) return { image, descriptor, byName: true };
    }
  }
  return undefined;
}

async function findById(place: ImagePlace, prefix: string): Promise<readonly FoundImage[]> {
  const found: FoundImage[] = [];
  for (const image of await place.images.list()) {
    for (const descriptor of await imagesOf(place, image)) {
      const matches = digestHex(descriptor.digest).startsWith(prefix) || (await hasId(place, descriptor, prefix));
      if (matches) found.push({ image, descriptor, byName: false });
    }
  }
  return found;
}

/** An entry of the store, and when that is an index, the images that it leads to, as far as they are here. */
async function imagesOf(place: ImagePlace, { descriptor }: StoredImage): Promise<readonly Descriptor[]> {
  if (!isIndexType(descriptor.mediaType)) return [descriptor];
  const document = await findDocument(place.blobs, descriptor).catch(() => undefined);
  const found: Descriptor[] = [descriptor];
  const members = document?.kind === 'index' ? await listIndexImages(place.blobs, document.index).catch(() => []) : [];
  for (const member of members) if (await place.blobs.has(blobOf(member))) found.push(member);
  return found;
}

async function hasId(place: ImagePlace, descriptor: Descriptor, prefix: string): Promise<boolean> {
  if (isIndexType(descriptor.mediaType)) return false;
  // What is damaged has no id; it must not keep others from being found.
  const document = await findDocument(place.blobs, descriptor).catch(() => undefined);
  if (document?.kind !== 'manifest' || !digestHex(document.manifest.config.digest).startsWith(prefix)) return false;
  return (await findConfig(place.blobs, document.manifest).catch(() => undefined)) !== undefined;
}

async function notFound({ images }: ImagePlace, word: string): Promise<BuildError> {
  const names = (await images.list()).flatMap(({ reference }) =>
    reference === undefined ? [] : [familiarReference(parseReference(reference))],
  );
  const nearest = nearestWord(word.includes(':') ? word : `${word}:latest`, names);
  return new BuildError('IMAGE_NOT_FOUND', `There is no image "${word}" in the store.`, {
    hint: nearest === undefined ? 'See `zlayer images`.' : `Did you mean "${nearest}"? See \`zlayer images\`.`,
  });
}
