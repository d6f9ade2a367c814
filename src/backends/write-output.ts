import { BuildError, formatReference, parseReference, type RunContext } from '../core/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { Store } from '../store/index.ts';
import type { OutputInput } from './types.ts';

/** An output that makes something beside the image of the store. */
export type WrittenOutput = Exclude<OutputInput, { readonly kind: 'image' | 'cacheonly' }>;

/** An image of a store on its way to one output. */
export interface WriteInput {
  readonly descriptor: Descriptor;
  /** The names that it has there, as users write them. */
  readonly references: readonly string[];
  readonly output: WrittenOutput;
}

/** Whether an output is more than the image in the store. */
export function isWritten(output: OutputInput): output is WrittenOutput {
  return output.kind !== 'image' && output.kind !== 'cacheonly';
}

/**
 * Takes an image of a store to one output.
 *
 * @throws BuildError `OUTPUT_FAILED`; `UNSUPPORTED` for what has no room for the image; as the writers of `outputs`.
 */
export async function writeOutput(store: Store, input: WriteInput, context: RunContext): Promise<void> {
  const { descriptor, output } = input;
  const outputs = await import('../outputs/index.ts');
  const references = input.references.map((text) => formatReference(parseReference(text)));
  const images = [{ descriptor, references }];
  const { destination } = output;
  switch (output.kind) {
    case 'oci': {
      const { tar, compression = 'gzip', compressionLevel: level } = output;
      return outputs.writeOciOutput({ store }, { images, destination, tar, compression, level }, context);
    }
    case 'docker':
      await requireOne(store, descriptor);
      return outputs.writeDockerOutput({ store }, { images, destination, compression: 'none' }, context);
    case 'tar':
      return outputs.writeTarOutput({ store }, { descriptor, destination }, context);
    case 'local':
      return outputs.writeLocalOutput({ store }, { descriptor, destination }, context);
  }
}

async function requireOne(store: Store, descriptor: Descriptor): Promise<void> {
  const { listPlatformImages } = await import('../outputs/index.ts');
  const images = await listPlatformImages(store, { descriptor });
  if (images.length === 1) return;
  throw new BuildError(
    'UNSUPPORTED',
    `A docker archive has room for one platform, and the image has ${images.length}.`,
    {
      hint: 'Use type=oci, or build one platform for it.',
    },
  );
}
