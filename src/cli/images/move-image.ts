import type { CommandContext } from '../command.ts';
import { openProgress } from '../progress/choose-progress.ts';
import { familiarName } from '../report/format-result.ts';
import type { MovedImage, Observed } from '../services.ts';

/** How the move of an image is shown. */
export interface MoveOptions {
  readonly quiet: boolean;
  readonly progress: string | undefined;
}

/** Moves an image with progress on standard error, and prints its name and digest, or with `quiet` the digest alone. */
export async function moveImage(
  context: CommandContext,
  options: MoveOptions,
  move: (observed: Observed) => Promise<MovedImage>,
): Promise<void> {
  const progress = openProgress(context, options.quiet ? 'quiet' : options.progress);
  try {
    const { reference, digest } = await move({ signal: context.signal, onEvent: progress.onEvent });
    progress.close();
    const name = reference === undefined || options.quiet ? '' : `${familiarName(reference)}: `;
    context.stdout.write(`${name}${digest}\n`);
  } finally {
    progress.close();
  }
}
