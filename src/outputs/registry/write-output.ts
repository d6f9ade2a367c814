import { type BlobId, formatReference, parseReference, type Reference, type RunContext } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import { blobOf } from '../../oci/index.ts';
import { type PushedImage, pushImage, type RegistryClient } from '../../registry/index.ts';
import type { Store } from '../../store/index.ts';
import { type CompressOptions, compressLayers } from '../compress-layers.ts';
import { listImageBlobs } from '../image-blobs.ts';
import type { OutputDeps } from '../types.ts';

export interface RegistryOutput extends Partial<CompressOptions> {
  /** Manifest or index in the store. */
  readonly descriptor: Descriptor;
  readonly references: readonly Reference[];
}

/** How many repositories are remembered for a blob: the latest are tried for a mount. */
const MAX_ORIGINS = 8;

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
  const { descriptor, compression = 'gzip', level } = output;
  const image = await compressLayers(store, { descriptor, compression, level }, context);
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

async function readOrigins(store: Store, blob: BlobId): Promise<readonly string[]> {
  const known = await store.records.get<unknown>('origins', blob.digest);
  return Array.isArray(known)
    ? known.filter((origin): origin is string => typeof origin === 'string' && isReference(origin))
    : [];
}

async function addOrigin(store: Store, blob: BlobId, { registry, repository }: Reference): Promise<void> {
  const origin = formatReference({ registry, repository });
  const known = await readOrigins(store, blob);
  if (known[0] === origin) return;
  const origins = [origin, ...known.filter((other) => other !== origin)].slice(0, MAX_ORIGINS);
  await store.records.put('origins', blob.digest, origins);
}

function isReference(text: string): boolean {
  try {
    return parseReference(text) !== undefined;
  } catch {
    return false;
  }
}
