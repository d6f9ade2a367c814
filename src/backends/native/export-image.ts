import { BuildError, formatReference, parseReference, type RunContext } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import type { LayerCompression, OutputInput } from '../types.ts';

/** An image to be written to one output, with the names that it has there. */
export interface ExportInput {
  readonly image: string;
  readonly references: readonly string[];
  readonly output: OutputInput;
}

/** Takes an image of the store to one output. @throws BuildError `IMAGE_NOT_FOUND`, `OUTPUT_FAILED`, `UNSUPPORTED`. */
export async function exportImage(store: Store, input: ExportInput, context: RunContext): Promise<void> {
  const { output } = input;
  if (output.kind === 'image' || output.kind === 'cacheonly') return;
  const { descriptor } = await store.images.find(input.image);
  const outputs = await import('../../outputs/index.ts');
  const references = input.references.map((text) => formatReference(parseReference(text)));
  const images = [{ descriptor, references }];
  const { destination } = output;
  switch (output.kind) {
    case 'oci': {
      const options = { images, destination, tar: output.tar, ...compressionOf(output) };
      return outputs.writeOciOutput({ store }, options, context);
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

function compressionOf({ compression, compressionLevel }: LayerCompression) {
  return { compression: compression ?? 'gzip', level: compressionLevel } as const;
}

async function requireOne(store: Store, descriptor: Descriptor): Promise<void> {
  const { listPlatformImages } = await import('../../outputs/index.ts');
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
