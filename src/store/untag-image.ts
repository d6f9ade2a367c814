import { BuildError, familiarReference, parseReference } from '../core/index.ts';
import type { FoundImage, ImageStore } from './types.ts';

/** `ImageStore.untag`. */
export async function untagImage(
  images: Pick<ImageStore, 'find' | 'list' | 'remove'>,
  word: string,
  all: boolean,
): Promise<readonly string[]> {
  const found = await images.find(word);
  const names = found.byName ? [found.image.reference!] : await namesOf(images, found);
  if (names.length === 0) {
    throw new BuildError('USAGE', `The image ${word} has no name to remove.`, {
      hint: '`zlayer prune --all` deletes images without a name.',
    });
  }
  if (names.length > 1 && !all) {
    const list = names.map((name) => familiarReference(parseReference(name))).join(', ');
    throw new BuildError('USAGE', `The image ${word} has ${names.length} names: ${list}.`, {
      hint: 'Give one of the names, or --force to remove all.',
    });
  }
  for (const name of names) await images.remove(name);
  return names;
}

async function namesOf(images: Pick<ImageStore, 'list'>, { image }: FoundImage): Promise<readonly string[]> {
  const { digest } = image.descriptor;
  const names = (await images.list()).flatMap(({ descriptor, reference }) =>
    descriptor.digest === digest && reference !== undefined ? [reference] : [],
  );
  return names.sort();
}
