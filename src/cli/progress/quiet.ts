import type { Progress } from './progress.ts';

/** Shows nothing: the command prints the image id at the end. */
export function createQuietProgress(): Progress {
  return { onEvent: () => undefined, showsWholeOutput: false, close: () => undefined };
}
