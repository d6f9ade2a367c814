import type { CompressOptions } from '../outputs/index.ts';
import type { CacheTarget } from './types.ts';

/** How the layers of a cache are written. */
export function compressionOf({
  compression = 'gzip',
  compressionLevel,
  forceCompression,
}: CacheTarget): CompressOptions {
  return { compression, level: compressionLevel, force: forceCompression };
}
