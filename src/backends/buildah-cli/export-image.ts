import { formatReference, parseReference, type RunContext } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import type { LayerCompression, OutputInput } from '../types.ts';
import { withLoadedImage } from './load-image.ts';
import type { Buildah } from './run-buildah.ts';

export interface ExportInput {
  readonly image: string;
  readonly references: readonly string[];
  readonly output: OutputInput;
}

/**
 * Takes an image to one output: buildah writes it out as it is, and our writers make what was asked for of it.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `OUTPUT_FAILED`, `UNSUPPORTED`.
 */
export async function exportImage(
  deps: { readonly buildah: Buildah; readonly workDir: string },
  input: ExportInput,
  context: RunContext,
): Promise<void> {
  const { output } = input;
  if (output.kind === 'image' || output.kind === 'cacheonly') return;
  const work = (store: Store, descriptor: Descriptor): Promise<void> => write(store, input, descriptor, context);
  await withLoadedImage(deps, { image: input.image, work }, context);
}

async function write(
  store: Store,
  { output, references }: ExportInput,
  descriptor: Descriptor,
  context: RunContext,
): Promise<void> {
  if (output.kind === 'image' || output.kind === 'cacheonly') return;
  const outputs = await import('../../outputs/index.ts');
  const images = [{ descriptor, references: references.map((text) => formatReference(parseReference(text))) }];
  const { destination } = output;
  switch (output.kind) {
    case 'oci': {
      const options = { images, destination, tar: output.tar, ...compressionOf(output) };
      return outputs.writeOciOutput({ store }, options, context);
    }
    case 'docker':
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
