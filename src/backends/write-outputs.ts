import { formatReference, parseReference, type RunContext } from '../core/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { CompressOptions } from '../outputs/index.ts';
import type { Store } from '../store/index.ts';
import type { LayerCompression, OutputInput } from './types.ts';

export function compressionOf({ compression, compressionLevel }: LayerCompression): CompressOptions {
  return { compression: compression ?? 'gzip', level: compressionLevel };
}

interface OutputJob {
  readonly output: OutputInput;
  readonly descriptor: Descriptor;
  readonly references: readonly string[];
}

/** Takes an image of the store to one output. @throws BuildError `OUTPUT_FAILED`. */
export async function writeOutput(store: Store, job: OutputJob, context: RunContext): Promise<void> {
  const { output, descriptor, references } = job;
  if (output.kind === 'image' || output.kind === 'cacheonly') return;
  const outputs = await import('../outputs/index.ts');
  const images = [{ descriptor, references: references.map((text) => formatReference(parseReference(text))) }];
  switch (output.kind) {
    case 'oci': {
      const { destination, tar } = output;
      return outputs.writeOciOutput({ store }, { images, destination, tar, ...compressionOf(output) }, context);
    }
    case 'docker':
      return outputs.writeDockerOutput(
        { store },
        { images, destination: output.destination, compression: 'none' },
        context,
      );
    case 'tar':
      return outputs.writeTarOutput({ store }, { descriptor, destination: output.destination }, context);
    case 'local':
      return outputs.writeLocalOutput({ store }, { descriptor, destination: output.destination }, context);
  }
}
