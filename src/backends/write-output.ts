import { BuildError, formatReference, parseReference, type RunContext } from '../core/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { CompressOptions } from '../outputs/index.ts';
import type { Store } from '../store/index.ts';
import type { BuildRequest, LayerCompression, OutputInput } from './types.ts';

/** An output that makes something beside the image of the store. */
export type WrittenOutput = Exclude<OutputInput, { readonly kind: 'image' | 'cacheonly' }>;

/** An image of a store on its way to one output. */
export interface WriteInput {
  readonly descriptor: Descriptor;
  /** The names that it has there, as users write them. */
  readonly references: readonly string[];
  readonly output: WrittenOutput;
  readonly descriptorAnnotations?: Readonly<Record<string, string>>;
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
  const { output } = input;
  const outputs = await import('../outputs/index.ts');
  const descriptor = annotated(input);
  const references = input.references.map((text) => formatReference(parseReference(text)));
  const images = [{ descriptor, references }];
  switch (output.kind) {
    case 'oci': {
      const { destination, tar } = output;
      return outputs.writeOciOutput({ store }, { images, destination, tar, ...toOptions(output, 'gzip') }, context);
    }
    case 'docker': {
      await requireOne(store, descriptor);
      const { destination } = output;
      return outputs.writeDockerOutput({ store }, { images, destination, ...toOptions(output, 'none') }, context);
    }
    case 'tar':
      return outputs.writeTarOutput({ store }, { descriptor, destination: output.destination }, context);
    case 'local':
      return outputs.writeLocalOutput({ store }, { descriptor, destination: output.destination }, context);
    case 'load': {
      const engine = await outputs.findEngine({ kind: output.engine, env: process.env }, context);
      return engine.load({ store }, { descriptor, references }, context);
    }
  }
}

/**
 * Makes sure that what a request's image is to be handed to is there, before anything is built for it.
 *
 * @throws BuildError `HOST_LACKS`, saying what was looked for.
 */
export async function requireEngines({ outputs = [] }: BuildRequest, context: RunContext): Promise<void> {
  for (const output of outputs) {
    if (output.kind !== 'load') continue;
    const { findEngine } = await import('../outputs/index.ts');
    await findEngine({ kind: output.engine, env: process.env }, context);
  }
}

/** The compression of a request in the words of the writers. A level alone asks for gzip. */
export function toOptions(
  { compression, compressionLevel: level, forceCompression: force }: LayerCompression,
  otherwise: 'gzip' | 'none',
): CompressOptions {
  return { compression: compression ?? (level === undefined ? otherwise : 'gzip'), level, force };
}

function annotated({ descriptor, descriptorAnnotations = {} }: WriteInput): Descriptor {
  if (Object.keys(descriptorAnnotations).length === 0) return descriptor;
  return { ...descriptor, annotations: { ...descriptor.annotations, ...descriptorAnnotations } };
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
