import { type Platform, platformOfHost } from '../core/index.ts';
import type { ImageChoice } from '../oci/index.ts';

/** The choice of one platform's image of an index and no other; default this host's, of Linux. */
export function exactly(platform: Platform | undefined): ImageChoice {
  return { platform: platform ?? platformOfHost('linux', process.arch), strict: true };
}
