import type { BlobId, Reference, RunContext } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import { blobOf } from '../../oci/index.ts';
import { type PushedImage, pushImage, type RegistryClient } from '../../registry/index.ts';
import { type CompressOptions, compressLayers } from '../compress-layers.ts';
import { listImageBlobs } from '../image-blobs.ts';
import type { OutputDeps } from '../types.ts';
import { addOrigin, readOrigins } from './origins.ts';

export interface RegistryOutput extends Partial<CompressOptions> {
  /** Manifest or index in the store. */
  readonly descriptor: Descriptor;
  readonly references: readonly Reference[];
}

/**
 * Pushes an image under every reference, with gzip layers unless `compression` says otherwise; what was compressed once is
 * known from then on. Where a blob has gone is remembered, so that the next push to the same registry mounts it.
 *
 * @throws BuildError as `pushImage` and `compressLayers`.
 */
export async function writeRegistryOutput(
  { store, client }: OutputDeps & { readonly client: RegistryClient },
  output: RegistryOutput,
  context: RunContext,
): Promise<readonly PushedImage[]> {
  const { descriptor, compression = 'gzip', level, force } = output;
  const image = await compressLayers(store, { descriptor, compression, level, force }, context);
  try {
    const pushed: PushedImage[] = [];
    for (const reference of output.references) {
      const request = {
        source: image.source,
        manifest: image.descriptor,
        reference,
        mountFrom: (blob: BlobId) => readOrigins(store, blob),
      };
      pushed.push(await pushImage(client, request, context));
      const blobs = await listImageBlobs(image.source, [image.descriptor]);
      for (const blob of blobs) await addOrigin(store, blobOf(blob), reference);
    }
    return pushed;
  } finally {
    await image.close();
  }
}
