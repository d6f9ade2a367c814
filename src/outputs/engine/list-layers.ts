import type { Digest } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import { listImageBlobs } from '../image-blobs.ts';
import type { OutputDeps } from '../types.ts';

/** The layers of an image and of all members of an index. Documents are small, and are sent whatever an engine has. */
export async function listLayers({ store }: OutputDeps, root: Descriptor): Promise<readonly Digest[]> {
  const blobs = await listImageBlobs(store.blobs, [root]);
  return blobs.flatMap(({ mediaType, digest }) => (/\.layer\.|\.rootfs\./.test(mediaType) ? [digest] : []));
}
