import type { RunContext } from '../core/index.ts';
import type { CompressOptions } from './compress-layers.ts';
import { encodeDockerArchive } from './docker/write-output.ts';
import { encodeOciArchive } from './oci/write-output.ts';
import type { NamedImage, OutputDeps } from './types.ts';

export interface SaveRequest extends Partial<CompressOptions> {
  readonly images: readonly NamedImage[];
  readonly format: 'docker' | 'oci';
}

/**
 * The bytes of an archive of images: for `docker load` with layers as the store has them, or an OCI image layout with gzip
 * layers, unless `compression` says otherwise.
 *
 * @throws BuildError as `encodeDockerArchive` and `encodeOciArchive`.
 */
export function saveImages(deps: OutputDeps, request: SaveRequest, context: RunContext): AsyncGenerator<Uint8Array> {
  const { format, images, level } = request;
  if (format === 'docker') {
    return encodeDockerArchive(deps, { images, level, compression: request.compression ?? 'none' }, context);
  }
  return encodeOciArchive(deps, { images, level, compression: request.compression ?? 'gzip' }, context);
}
