import { formatPlatform, type Platform, parsePlatform, platformOfHost } from '../../core/index.ts';
import type { BuildRequest, LoadedRequest } from '../types.ts';

/** The platforms that a request names, each once, in its order; this host's where it names none. @throws BuildError `USAGE`. */
export function platformsOf({ platform }: Pick<BuildRequest, 'platform'>): readonly Platform[] {
  const host = platformOfHost(process.platform, process.arch);
  if (platform === undefined) return [host];
  const platforms = new Map<string, Platform>();
  for (const text of platform.split(',')) {
    const parsed = parsePlatform(text.trim(), host);
    platforms.set(formatPlatform(parsed), parsed);
  }
  return [...platforms.values()];
}

/** The request as if it were for one platform alone. */
export function forPlatform(loaded: LoadedRequest, platform: Platform): LoadedRequest {
  return { ...loaded, request: { ...loaded.request, platform: formatPlatform(platform) } };
}
