import { type BlobSource, BuildError, formatPlatform, isBuildError } from '../core/index.ts';
import { type Descriptor, isIndexType, platformOfDescriptor, readDocument } from '../oci/index.ts';
import type { ImageSource } from './types.ts';

/**
 * Refuses to copy an index of which the source holds a part: a pulled image has one platform of many.
 *
 * @param isThere tells of a member whether the destination has it already.
 * @throws BuildError `PLATFORM_NOT_FOUND` with the platforms that are missing.
 */
export async function checkMembers(
  source: ImageSource,
  root: Descriptor,
  isThere: (member: Descriptor) => Promise<boolean>,
): Promise<void> {
  const absent: Descriptor[] = [];
  for (const member of await listAbsent(source.blobs, root)) if (!(await isThere(member))) absent.push(member);
  if (absent.length === 0) return;
  const platforms = absent.map(({ platform, digest }) =>
    platform === undefined ? digest : formatPlatform(platformOfDescriptor(platform)),
  );
  throw new BuildError(
    'PLATFORM_NOT_FOUND',
    `${source.name} is not here for all platforms of its index: ${[...new Set(platforms)].join(', ')} is missing.`,
    { hint: 'Choose what is here with --platform, or copy from where all of it is.' },
  );
}

async function listAbsent(blobs: BlobSource, descriptor: Descriptor): Promise<readonly Descriptor[]> {
  if (!isIndexType(descriptor.mediaType)) return [];
  const document = await readDocument(blobs, descriptor);
  if (document.kind !== 'index') return [];
  const absent: Descriptor[] = [];
  for (const member of document.index.manifests) {
    try {
      await readDocument(blobs, member);
      absent.push(...(await listAbsent(blobs, member)));
    } catch (error) {
      if (!isBuildError(error, 'BLOB_MISSING')) throw error;
      absent.push(member);
    }
  }
  return absent;
}
