import { BuildError, formatReference, parseReference } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import type { ImageDetails, ImageReceipt, ImageSummary } from '../types.ts';
import { detailImage, summarizeImage } from './describe-image.ts';

/** All images of the store, each once with all its names; the latest first. */
export async function listImages(store: Store): Promise<readonly ImageSummary[]> {
  const images = new Map<string, { readonly descriptor: Descriptor; readonly references: string[] }>();
  for (const { descriptor, reference } of await store.images.list()) {
    const image = images.get(descriptor.digest) ?? { descriptor, references: [] };
    images.set(descriptor.digest, image);
    if (reference !== undefined) image.references.push(reference);
  }
  const summaries = await Promise.all([...images.values()].map((image) => summarizeImage(store, image)));
  return summaries.sort((a, b) => (b.createdMs ?? 0) - (a.createdMs ?? 0));
}

/** Everything about an image. @throws BuildError as `ImageStore.find`. */
export async function inspectImage(store: Store, word: string): Promise<ImageDetails> {
  const { descriptor } = await store.images.find(word);
  const references = (await store.images.list()).flatMap((image) =>
    image.descriptor.digest === descriptor.digest && image.reference !== undefined ? [image.reference] : [],
  );
  return detailImage(store, { descriptor, references });
}

/** Gives an image one more name. @throws BuildError as `ImageStore.find`; `REFERENCE_INVALID` for a name with a digest. */
export async function tagImage(
  store: Store,
  { image, reference }: { readonly image: string; readonly reference: string },
): Promise<ImageReceipt> {
  const name = nameToGive(reference);
  const { descriptor } = await store.images.find(image);
  await store.images.set([name], descriptor);
  return receiptOf(name, descriptor);
}

/** The full form of a name that is to be given. @throws BuildError `REFERENCE_INVALID`. */
export function nameToGive(text: string): string {
  const reference = parseReference(text);
  if (reference.digest === undefined) return formatReference(reference);
  throw new BuildError('REFERENCE_INVALID', `"${text}" has a digest: an image's digest cannot be chosen.`, {
    hint: 'Leave out the part from "@" on.',
  });
}

/** What operations give back of an image. */
export function receiptOf(reference: string, { digest, mediaType, size }: Descriptor): ImageReceipt {
  return { reference, digest, mediaType, sizeBytes: size };
}
