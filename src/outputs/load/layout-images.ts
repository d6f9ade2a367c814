import {
  type BlobSource,
  BuildError,
  formatReference,
  isBuildError,
  isDigest,
  parseReference,
} from '../../core/index.ts';
import type { Descriptor, Index } from '../../oci/index.ts';
import { listImageBlobs } from '../image-blobs.ts';
import { layoutName, REF_NAME } from '../layout-files.ts';
import type { FoundImage, NamedImage } from '../types.ts';

/** The images of an OCI layout's `index.json`, entries of the same digest as one. */
export function parseLayoutIndex(indexJson: Buffer): readonly FoundImage[] {
  const images = new Map<
    string,
    { readonly descriptor: Descriptor; readonly references: string[]; readonly names: string[] }
  >();
  for (const entry of parseIndex(indexJson).manifests) {
    const { annotations, ...descriptor } = entry;
    const image = images.get(entry.digest) ?? { descriptor, references: [] as string[], names: [] as string[] };
    images.set(entry.digest, image);
    const reference = referenceOf(layoutName(entry));
    if (reference !== undefined && !image.references.includes(reference)) image.references.push(reference);
    const name = annotations?.[REF_NAME];
    if (name !== undefined && !image.names.includes(name)) image.names.push(name);
  }
  return [...images.values()];
}

/**
 * All blobs of an image in a layout, checked to be there.
 *
 * @throws BuildError `ARCHIVE_INVALID` when one is missing.
 */
export async function requireImageBlobs(source: BlobSource, image: NamedImage): Promise<readonly Descriptor[]> {
  try {
    return await listImageBlobs(source, [image.descriptor]);
  } catch (error) {
    if (!isBuildError(error, 'BLOB_MISSING')) throw error;
    throw missingPart(image, error);
  }
}

/** The error for an image of which the layout does not hold everything. */
export function missingPart(image: NamedImage, cause?: unknown): BuildError {
  const name = image.references[0] ?? image.descriptor.digest;
  return new BuildError('ARCHIVE_INVALID', `Image ${name} cannot be loaded: the layout does not hold all of it.`, {
    cause,
    hint: 'Write the layout again.',
  });
}

/** A bare tag, as some tools write it, names no image. */
function referenceOf(name: string | undefined): string | undefined {
  if (name === undefined || !/[/:@]/.test(name)) return undefined;
  try {
    return formatReference(parseReference(name));
  } catch (error) {
    if (isBuildError(error, 'REFERENCE_INVALID')) return undefined;
    throw error;
  }
}

function parseIndex(bytes: Buffer): Index {
  try {
    const value = JSON.parse(bytes.toString()) as Partial<Index> | null;
    const manifests = value?.manifests;
    if (Array.isArray(manifests) && manifests.every((entry) => isDigest(entry?.digest ?? ''))) return value as Index;
  } catch {
    // Reported below.
  }
  throw new BuildError('ARCHIVE_INVALID', 'The image cannot be loaded: index.json is not an OCI image index.', {
    hint: 'Write the layout again.',
  });
}
