import type { Plugin } from 'esbuild';

export interface CommandBundle {
  /** The checkout. */
  readonly root: string;
  readonly version: string;
  /** The directory to fill. */
  readonly out: string;
  /** For tests that put something else in the place of a module. */
  readonly plugins?: readonly Plugin[];
}

export function writeCommand(bundle: CommandBundle): Promise<void>;
