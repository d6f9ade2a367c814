import type { Digest, RunContext } from '../core/index.ts';
import type { CompressOptions } from './compress-layers.ts';
import { encodeDockerArchive } from './docker/write-output.ts';
import { encodeOciArchive } from './oci/write-output.ts';
import type { NamedImage, OutputDeps } from './types.ts';

export interface SaveRequest extends Partial<CompressOptions> {
  readonly images: readonly NamedImage[];
  readonly format: 'docker' | 'oci';
  /** Blobs that are left out, because whoever reads the archive has them. */
  readonly skip?: ReadonlySet<Digest> | undefined;
}

/**
 * The bytes of an archive of images: for `docker load` with layers as the store has them, or an OCI image layout with gzip
 * layers, unless `compression` says otherwise.
 *
 * @throws BuildError as `encodeDockerArchive` and `encodeOciArchive`.
 */
export function saveImages(deps: OutputDeps, request: SaveRequest, context: RunContext): AsyncGenerator<Uint8Array> {
  const { format, compression, ...rest } = request;
  if (format === 'docker') {
    return encodeDockerArchive(deps, { ...rest, compression: compression ?? 'none' }, context);
  }
  return encodeOciArchive(deps, { ...rest, compression: compression ?? 'gzip' }, context);
}
