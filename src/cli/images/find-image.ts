import {
  BuildError,
  type Digest,
  digestHex,
  familiarReference,
  formatReference,
  parseReference,
} from '../../core/index.ts';
import type { Store, StoredImage } from '../../store/index.ts';
import { nearestName } from '../options/nearest-name.ts';
import { type ImageChoice, readImage } from './read-image.ts';

/** What a user's word for an image matched. */
export interface FoundImage {
  readonly image: StoredImage;
  /** True when the word was a name, false when it was an id or a digest. */
  readonly byName: boolean;
}

/** As docker: an id may be cut to any length; four digits are the least that is taken for one here. */
const ID = /^(?:sha256:)?([0-9a-f]{4,64})$/;

/**
 * The image that a name, `name@digest`, an image id (config digest) or a manifest digest means; ids may be shortened.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, with the nearest name; `REFERENCE_INVALID`; `USAGE` for an ambiguous id.
 */
export async function findImage(store: Store, word: string, choice: ImageChoice): Promise<FoundImage> {
  const id = ID.exec(word)?.[1];
  const named = word.startsWith('sha256:') ? undefined : await findByName(store, word, id !== undefined);
  if (named !== undefined) return { image: named, byName: true };
  const matches = id === undefined ? [] : await findById(store, id, choice);
  const distinct = new Set(matches.map(({ manifest }) => manifest));
  if (distinct.size > 1) {
    throw new BuildError('USAGE', `The image id ${word} is ambiguous: ${distinct.size} images begin with it.`, {
      hint: 'Give more of its digits.',
    });
  }
  // An image and an index that holds it share their id: the image itself is meant.
  const best = matches.find(({ image, manifest }) => image.descriptor.digest === manifest) ?? matches[0];
  if (best !== undefined) return { image: best.image, byName: false };
  throw await notFound(store, word);
}

async function findByName(store: Store, word: string, mayBeId: boolean): Promise<StoredImage | undefined> {
  try {
    const reference = parseReference(word);
    const exact = await store.images.get(formatReference(reference));
    if (exact !== undefined || reference.digest === undefined) return exact;
    const repository = `${reference.registry}/${reference.repository}`;
    return (await store.images.list()).find(
      ({ reference: name, descriptor }) =>
        descriptor.digest === reference.digest &&
        (name?.startsWith(`${repository}:`) || name?.startsWith(`${repository}@`)),
    );
  } catch (error) {
    if (mayBeId) return undefined;
    throw error;
  }
}

interface Match {
  readonly image: StoredImage;
  /** Of the image that the id stands for; not of the index that it may be in. */
  readonly manifest: Digest;
}

async function findById(store: Store, prefix: string, choice: ImageChoice): Promise<readonly Match[]> {
  const found: Match[] = [];
  for (const image of await store.images.list()) {
    const { digest } = image.descriptor;
    if (digestHex(digest).startsWith(prefix)) {
      found.push({ image, manifest: digest });
      continue;
    }
    const details = await readImage(store, image, choice).catch(() => undefined);
    if (details === undefined || !digestHex(details.manifest.config.digest).startsWith(prefix)) continue;
    found.push({ image, manifest: details.descriptor.digest });
  }
  return found;
}

async function notFound(store: Store, word: string): Promise<BuildError> {
  const names = (await store.images.list()).flatMap(({ reference }) =>
    reference === undefined ? [] : [familiarReference(parseReference(reference))],
  );
  const nearest = nearestName(word.includes(':') ? word : `${word}:latest`, names);
  return new BuildError('IMAGE_NOT_FOUND', `There is no image "${word}" in the store.`, {
    hint: nearest === undefined ? 'See `zlayer images`.' : `Did you mean "${nearest}"? See \`zlayer images\`.`,
  });
}
