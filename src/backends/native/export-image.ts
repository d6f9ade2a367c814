import type { RunContext } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import type { BuildBackend } from '../types.ts';
import { isWritten, writeOutput } from '../write-output.ts';

/** An image to be written to one output, with the names that it has there. */
export type ExportInput = Parameters<BuildBackend['exportImage']>[0];

/** Takes an image of the store to one output. @throws BuildError `IMAGE_NOT_FOUND`, `OUTPUT_FAILED`, `UNSUPPORTED`. */
export async function exportImage(store: Store, input: ExportInput, context: RunContext): Promise<void> {
  const { image, output } = input;
  if (!isWritten(output)) return;
  const { descriptor } = await store.images.find(image);
  await writeOutput(store, { ...input, output, descriptor }, context);
}
