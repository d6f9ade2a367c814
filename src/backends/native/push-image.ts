import { BuildError, formatReference, parseReference, type Reference, type RunContext } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { FoundImage, Store } from '../../store/index.ts';
import { type GivenCredentials, type LendRegistry, withRegistry } from '../open-registry.ts';
import type { ImageReceipt, LayerCompression, PushImageInput } from '../types.ts';
import { toOptions } from '../write-output.ts';
import { receiptOf } from './image-operations.ts';
import { findMadeImage, readOriginsThrough } from './read-origins.ts';

interface PushDeps {
  readonly store: Store;
  readonly registry: LendRegistry;
}

/**
 * Sends an image of the store to a registry. The receipt tells the digest there, which is not that of the store where layers
 * were compressed on the way.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `REGISTRY_*`; `USAGE` for an image without a name where none is given.
 */
export async function pushImage(deps: PushDeps, input: PushImageInput, context: RunContext): Promise<ImageReceipt> {
  const found = await findMadeImage(deps.store, input.image);
  const reference = destinationOf(found, input);
  return pushDescriptor(deps, { ...input, descriptor: found.descriptor, reference }, context);
}

interface DescriptorPush extends LayerCompression {
  readonly descriptor: Descriptor;
  readonly reference: Reference;
  readonly byDigest?: boolean;
  readonly credentials?: GivenCredentials;
}

/** Sends a manifest, or an index with all its members, under a name. Layers that neither end has come from where they are known to be. */
export async function pushDescriptor(
  { store, registry }: PushDeps,
  { descriptor, reference: named, byDigest = false, credentials, ...compression }: DescriptorPush,
  context: RunContext,
): Promise<ImageReceipt> {
  const { registry: host, repository } = named;
  const reference = byDigest ? { registry: host, repository, digest: descriptor.digest } : named;
  const { writeRegistryOutput } = await import('../../outputs/index.ts');
  const output = { descriptor, references: [reference], ...toOptions(compression, 'gzip') };
  const lease = await store.openLease();
  try {
    return await withRegistry(registry, credentials, async (client) => {
      const through = readOriginsThrough(store, client, context);
      const [pushed] = await writeRegistryOutput({ store: through, client: await client() }, output, context);
      // Layers that were compressed on the way make it another manifest.
      const { digest } = pushed!.descriptor;
      return receiptOf(formatReference(byDigest ? { ...reference, digest } : reference), pushed!.descriptor);
    });
  } finally {
    await lease.release();
  }
}

function destinationOf(found: FoundImage, { image, destination }: PushImageInput): Reference {
  if (destination !== undefined) return parseDestination(destination);
  if (found.byName) return parseReference(image);
  throw new BuildError('USAGE', `The image ${image} cannot be pushed by its id alone: nothing says where to.`, {
    hint: 'Push one of its names, or give it one with `zlayer tag`.',
  });
}

/** A name, with or without the `docker://` that containers tools put before it. @throws BuildError `REFERENCE_INVALID`. */
export function parseDestination(text: string): Reference {
  return parseReference(text.replace(/^docker:\/\//, ''));
}
