import { BuildError, formatPlatform, type Platform, parsePlatform, platformOfHost } from '../../core/index.ts';
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

/**
 * Refuses what contradicts itself whoever builds.
 *
 * @throws BuildError `USAGE`: annotations or zstd layers in Docker's format, which knows neither; several platforms where
 * there is room for one.
 */
export function checkConsistency(request: BuildRequest): void {
  if (request.format === 'docker') checkDockerFormat(request);
  if (platformsOf(request).length > 1) checkRoom(request);
}

function checkDockerFormat({ annotations = {}, outputs = [] }: BuildRequest): void {
  if (Object.keys(annotations).length > 0) {
    throw new BuildError(
      'USAGE',
      'An image in Docker format cannot have annotations: its manifest has no place for them.',
      {
        hint: 'Leave out --format docker, or use labels.',
      },
    );
  }
  if (outputs.some((output) => 'compression' in output && output.compression === 'zstd')) {
    throw new BuildError('USAGE', 'Layers of an image in Docker format cannot be compressed with zstd.', {
      hint: 'Leave out --format docker, or use compression=gzip.',
    });
  }
}

function checkRoom({ outputs = [] }: BuildRequest): void {
  if (!outputs.some(({ kind }) => kind === 'docker')) return;
  throw new BuildError('USAGE', 'The output type=docker has room for one platform, and the build has several.', {
    hint: 'Use type=oci, or build one platform for it.',
  });
}
