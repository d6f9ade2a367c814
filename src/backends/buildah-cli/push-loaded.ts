import { formatReference, type Reference, type RunContext } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import type { Store } from '../../store/index.ts';
import type { ImageReceipt, LayerCompression } from '../types.ts';
import { toOptions } from '../write-output.ts';

/** An image or list that lies in a store, and where it goes. */
export interface LoadedPush {
  readonly descriptor: Descriptor;
  readonly target: Reference;
  /** Sets no tag. */
  readonly byDigest: boolean;
  readonly compression: LayerCompression;
}

/** Sends what was loaded from buildah's storage, by our own client. @throws BuildError `REGISTRY_*`. */
export async function pushLoaded(
  deps: { readonly store: Store; readonly client: RegistryClient },
  { descriptor, target: named, byDigest, compression }: LoadedPush,
  context: RunContext,
): Promise<ImageReceipt> {
  const { writeRegistryOutput } = await import('../../outputs/index.ts');
  const { registry, repository } = named;
  const target = byDigest ? { registry, repository, digest: descriptor.digest } : named;
  const output = { descriptor, references: [target], ...toOptions(compression, 'gzip') };
  const [pushed] = await writeRegistryOutput(deps, output, context);
  const { digest, mediaType, size } = pushed!.descriptor;
  const reference = formatReference(byDigest ? { ...target, digest } : target);
  return { reference, digest, mediaType, sizeBytes: size };
}
