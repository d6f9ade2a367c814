import { type Platform, parsePlatform, platformOfHost } from '../../core/index.ts';

/** The platform wanted of an index: what the option says, else this machine's as Linux (images of other systems are rare). */
export function wantedPlatform(text: string | undefined): Platform {
  const host = platformOfHost('linux', process.arch);
  return text === undefined || text === '' ? host : parsePlatform(text, host);
}
