import type { BuildEvent } from '../../core/index.ts';

/** Shows a build to somebody. Consumes events only; `onEvent` never throws. */
export interface Progress {
  readonly onEvent: (event: BuildEvent) => void;
  /** Whether all that a step prints can be seen in it. */
  readonly showsWholeOutput: boolean;
  /** Shows what is left to show and gives the terminal back. May be called twice. */
  close(): void;
}
