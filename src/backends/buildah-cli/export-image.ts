import type { RunContext } from '../../core/index.ts';
import type { BuildBackend } from '../types.ts';
import { isWritten, writeOutput } from '../write-output.ts';
import { withLoadedImage } from './load-image.ts';
import type { Buildah } from './run-buildah.ts';

export type ExportInput = Parameters<BuildBackend['exportImage']>[0];

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
  const { image, output } = input;
  if (!isWritten(output)) return;
  await withLoadedImage(
    deps,
    { image, work: (store, descriptor) => writeOutput(store, { ...input, output, descriptor }, context) },
    context,
  );
}
