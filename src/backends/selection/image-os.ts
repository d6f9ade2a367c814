import { BuildError, parsePlatform, platformOfHost } from '../../core/index.ts';
import { type ImageOs, parseImageOs } from './kinds.ts';

/**
 * The operating system of the images for a platform, or for several with commas between them. A bare architecture means
 * Linux.
 *
 * @throws BuildError `USAGE` for one that no backend builds for, and for a list that mixes them.
 */
export function readImageOs(text: string): ImageOs {
  const linux = platformOfHost('linux', process.arch);
  const systems = new Set(text.split(',').map((platform) => parseImageOs(parsePlatform(platform.trim(), linux).os)));
  const [first, ...others] = systems;
  if (others.length === 0) return first!;
  throw new BuildError('USAGE', `The platforms ${text} are of several operating systems.`, {
    hint: 'Build once for each operating system, and put the images together with a manifest list.',
  });
}
