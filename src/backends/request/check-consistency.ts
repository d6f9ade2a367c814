import { BuildError } from '../../core/index.ts';
import type { BuildRequest, LayerCompression, OutputInput } from '../types.ts';
import { checkAnnotations, listAnnotations } from './annotations.ts';
import { platformsOf } from './request-platforms.ts';

/**
 * Refuses what contradicts itself whoever builds.
 *
 * @throws BuildError `USAGE`: annotations that have no place; annotations or zstd layers in Docker's format, which knows
 * neither; several platforms where there is room for one; a level of compression that there is none of.
 */
export function checkConsistency(request: BuildRequest): void {
  if (request.format === 'docker') checkDockerFormat(request);
  checkAnnotations(request);
  for (const output of request.outputs ?? []) checkLevel(compressionOf(output));
  if (platformsOf(request).length > 1) checkRoom(request);
}

/** How an output has its layers; nothing for one that says nothing of it. */
export function compressionOf(output: OutputInput): LayerCompression {
  if (output.kind !== 'image' && output.kind !== 'oci' && output.kind !== 'docker') return {};
  const { compression, compressionLevel, forceCompression } = output;
  return {
    ...(compression === undefined ? {} : { compression }),
    ...(compressionLevel === undefined ? {} : { compressionLevel }),
    ...(forceCompression === undefined ? {} : { forceCompression }),
  };
}

function checkDockerFormat(request: BuildRequest): void {
  if (listAnnotations(request).length > 0) {
    throw new BuildError(
      'USAGE',
      'An image in Docker format cannot have annotations: its manifest has no place for them.',
      {
        hint: 'Leave out --format docker, or use labels.',
      },
    );
  }
  if ((request.outputs ?? []).some((output) => compressionOf(output).compression === 'zstd')) {
    throw new BuildError(
      'USAGE',
      "Layers of an image in Docker format cannot be compressed with zstd: Docker's media types have none for it.",
      { hint: 'Leave out oci-mediatypes=false, or use compression=gzip.' },
    );
  }
}

const LEVELS = { gzip: 9, zstd: 19 } as const;

function checkLevel({ compression = 'gzip', compressionLevel: level }: LayerCompression): void {
  if (level === undefined) return;
  if (compression === 'none') {
    throw new BuildError('USAGE', `Layers without compression have no level ${level}.`, { hint: 'Leave it out.' });
  }
  if (Number.isInteger(level) && level >= 1 && level <= LEVELS[compression]) return;
  throw new BuildError('USAGE', `${level} is no level of ${compression}.`, {
    hint: `${compression} has the levels 1 to ${LEVELS[compression]}.`,
  });
}

function checkRoom({ outputs = [] }: BuildRequest): void {
  if (!outputs.some(({ kind }) => kind === 'docker')) return;
  throw new BuildError('USAGE', 'The output type=docker has room for one platform, and the build has several.', {
    hint: 'Use type=oci, or build one platform for it.',
  });
}
