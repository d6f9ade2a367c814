import type { CommandContext } from '../command.ts';
import { openProgress } from '../progress/choose-progress.ts';
import { familiarName } from '../report/format-result.ts';
import type { MovedImage, Observed } from '../services.ts';

/** How the move of an image is shown. */
export interface MoveOptions {
  readonly quiet: boolean;
  readonly progress: string | undefined;
}

/** Does something with progress on standard error. */
export async function withProgress<T>(
  context: CommandContext,
  options: MoveOptions,
  work: (observed: Observed) => Promise<T>,
): Promise<T> {
  const progress = openProgress(context, options.quiet ? 'quiet' : options.progress);
  try {
    return await work({ signal: context.signal, onEvent: progress.onEvent });
  } finally {
    progress.close();
  }
}

/** Moves an image with progress, and prints its name and digest, or with `quiet` the digest alone. */
export async function moveImage(
  context: CommandContext,
  options: MoveOptions,
  move: (observed: Observed) => Promise<MovedImage>,
): Promise<void> {
  const { reference, digest } = await withProgress(context, options, move);
  const name = reference === undefined || options.quiet ? '' : `${familiarName(reference)}: `;
  context.stdout.write(`${name}${digest}\n`);
}
