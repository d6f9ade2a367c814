/** The field of an image's config that holds its inline cache: results of steps by key, with how many of the layers each has. */
export const INLINE_CACHE_FIELD = 'io.zlayer.cache.v1';

/** The field in which BuildKit keeps its own. */
export const BUILDKIT_CACHE_FIELD = 'moby.buildkit.cache.v0';

/** Fields that say something of the very image: one that is built on it does not inherit them. */
export const CACHE_FIELDS: readonly string[] = [INLINE_CACHE_FIELD, BUILDKIT_CACHE_FIELD];
