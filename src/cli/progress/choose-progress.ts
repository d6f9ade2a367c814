import type { CommandContext } from '../command.ts';
import { usage } from '../options/values.ts';
import { styleFor } from '../terminal/style.ts';
import { createPlainProgress } from './plain.ts';
import type { Progress } from './progress.ts';
import { createQuietProgress } from './quiet.ts';
import { createRawJsonProgress } from './rawjson.ts';
import { createTtyProgress } from './tty.ts';

const MODES = ['auto', 'tty', 'plain', 'rawjson', 'quiet'];

/**
 * Opens the display that was asked for. `auto` is `tty` on a terminal that can move its cursor, else `plain`.
 *
 * @throws BuildError `USAGE` for `tty` where there is no terminal.
 */
export function openProgress(context: CommandContext, wanted: string | undefined): Progress {
  const mode = chooseMode(context, wanted);
  const { stderr } = context;
  const style = styleFor(stderr, context.env);
  switch (mode) {
    case 'quiet':
      return createQuietProgress();
    case 'rawjson':
      return createRawJsonProgress(stderr);
    case 'plain':
      return createPlainProgress(stderr, style);
    default:
      return createTtyProgress({
        output: stderr,
        style,
        env: context.env,
        now: context.now,
      });
  }
}

/** The display that `wanted`, the environment and the terminal ask for together. @throws BuildError `USAGE` */
export function chooseMode({ env, stderr }: CommandContext, wanted: string | undefined): string {
  const fromEnv = env.BUILDKIT_PROGRESS;
  const mode = wanted ?? (fromEnv !== undefined && MODES.includes(fromEnv) ? fromEnv : 'auto');
  if (mode === 'tty' && !stderr.isTerminal) {
    throw usage('--progress=tty needs a terminal on standard error.', 'Use --progress=plain.');
  }
  if (mode !== 'auto') return mode;
  return stderr.isTerminal && env.TERM !== 'dumb' ? 'tty' : 'plain';
}
