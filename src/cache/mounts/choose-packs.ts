import type { Digest } from '../../core/index.ts';
import type { Place } from './listing.ts';
import type { Pack } from './mounts-document.ts';

/** Contents up to this come together in one pack. */
export const PACK_BYTES = 8 << 20;

/** A content from this size on has a pack of its own. */
export const LARGE_BYTES = 4 << 20;

/** Every export may leave a small pack: that many may stay, then they are written as one. */
const MOST_SMALL = 12;
const SMALL_BYTES = PACK_BYTES / 2;

/**
 * The packs of earlier exports that stay as they are: at least half of what they hold is still wanted, and they are not too
 * many. What the others hold is written anew.
 *
 * @param wanted contents of the mount, each once.
 */
export function choosePacks(
  packs: readonly Pack[],
  wanted: Iterable<{ readonly sizeBytes: number; readonly place: Place | undefined }>,
): readonly Pack[] {
  const live = new Map<Digest, number>();
  for (const { sizeBytes, place } of wanted) {
    if (place !== undefined) live.set(place.pack, (live.get(place.pack) ?? 0) + sizeBytes);
  }
  const useful = packs.filter(({ blob, sizeBytes }) => (live.get(blob.digest) ?? 0) * 2 >= sizeBytes);
  const small = useful.filter(({ sizeBytes }) => sizeBytes < SMALL_BYTES);
  return small.length <= MOST_SMALL ? useful : useful.filter(({ sizeBytes }) => sizeBytes >= SMALL_BYTES);
}
