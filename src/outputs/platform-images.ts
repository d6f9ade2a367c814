import { formatPlatform, type Platform } from '../core/index.ts';
import {
  type Descriptor,
  findDocument,
  findImageDocuments,
  type ImageDocuments,
  listIndexImages,
  platformOfConfig,
  readImage,
} from '../oci/index.ts';
import type { Store } from '../store/index.ts';
import { exactly } from './exactly.ts';

/** An image with the folder that its files go to where several are written to one place; else that is empty. */
export interface PlatformImage {
  readonly image: ImageDocuments;
  /** Such as `linux_arm_v7`, as BuildKit calls it. */
  readonly folder: string;
}

/**
 * The images behind a manifest or an index: that of the platform where one is asked for, else all that are here.
 *
 * @throws BuildError `PLATFORM_NOT_FOUND` when there is none, `IMAGE_INVALID`, `BLOB_MISSING`.
 */
export async function listPlatformImages(
  { blobs }: Pick<Store, 'blobs'>,
  { descriptor, platform }: { readonly descriptor: Descriptor; readonly platform?: Platform | undefined },
): Promise<readonly PlatformImage[]> {
  const document = platform === undefined ? await findDocument(blobs, descriptor) : undefined;
  const entries = document?.kind === 'index' ? await listIndexImages(blobs, document.index) : [];
  const found = await Promise.all(entries.map((entry) => findImageDocuments(blobs, entry)));
  const images = found.flatMap((each) => (each.kind === 'image' ? [each.image] : []));
  if (images.length > 1) return images.map((image) => ({ image, folder: folderOf(image) }));
  return [{ image: images[0] ?? (await readImage(blobs, descriptor, exactly(platform))), folder: '' }];
}

function folderOf({ config }: ImageDocuments): string {
  return formatPlatform(platformOfConfig(config)).replaceAll('/', '_');
}
