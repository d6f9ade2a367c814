import { parsePlatform, platformOfHost } from '../../core/index.ts';
import type { ImageChoice } from '../../oci/index.ts';

/** Which image of an index is meant: exactly what `--platform` says, else preferably this machine's. Images are Linux ones. */
export function choosePlatform(option: string | undefined): ImageChoice {
  const host = platformOfHost('linux', process.arch);
  return option === undefined
    ? { platform: host, strict: false }
    : { platform: parsePlatform(option, host), strict: true };
}
