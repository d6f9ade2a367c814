import { BuildError, formatReference, isBuildError, parseReference } from '../core/index.ts';
import type { FoundImage } from '../outputs/index.ts';

/**
 * The image of a layout or an archive that a name means; without a name the only one there.
 *
 * @throws BuildError `IMAGE_NOT_FOUND` with the names that there are.
 */
export function chooseImage(
  images: readonly FoundImage[],
  { name, where }: { readonly name: string | undefined; readonly where: string },
): FoundImage {
  const reference = name === undefined ? undefined : fullName(name);
  const isMeant = (image: FoundImage): boolean =>
    name === undefined ||
    image.names.includes(name) ||
    image.descriptor.digest === name ||
    (reference !== undefined && image.references.includes(reference));
  const [found, ...others] = images.filter(isMeant);
  if (found !== undefined && others.length === 0) return found;
  const names = images.map((image) => image.names[0] ?? image.references[0] ?? image.descriptor.digest);
  const what =
    name === undefined ? `${images.length} images` : `${found === undefined ? 'no' : 'several'} image "${name}"`;
  throw new BuildError('IMAGE_NOT_FOUND', `"${where}" holds ${what}.`, {
    hint:
      names.length === 0
        ? 'It is empty.'
        : `It holds ${names.join(', ')}; write one of them after the path: PATH:NAME.`,
  });
}

function fullName(name: string): string | undefined {
  try {
    return formatReference(parseReference(name));
  } catch (error) {
    if (isBuildError(error, 'REFERENCE_INVALID')) return undefined;
    throw error;
  }
}
