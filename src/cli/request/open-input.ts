import { createReadStream, openSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';
import { usage } from '../options/values.ts';

/** What a command reads. */
export interface InputSource {
  /** `-` is standard input. */
  readonly path: string;
  /** For messages: what is read. */
  readonly what: string;
  /** For messages: how to name a file instead. */
  readonly example: string;
}

/**
 * Opens a file or standard input.
 *
 * @throws BuildError `SOURCE_NOT_FOUND` when the file cannot be opened; `USAGE` when standard input is a terminal.
 */
export function openInput(
  context: Pick<CommandContext, 'stdin' | 'cwd'>,
  { path, what, example }: InputSource,
): AsyncIterable<Uint8Array> {
  if (path === '-') {
    if (context.stdin.isTTY === true)
      throw usage(`The ${what} would come from a terminal.`, `Redirect standard input, or use \`${example}\`.`);
    return context.stdin;
  }
  try {
    return createReadStream('', { fd: openSync(resolve(context.cwd, path), 'r'), highWaterMark: 2 ** 20 });
  } catch (cause) {
    throw new BuildError('SOURCE_NOT_FOUND', `The ${what} ${path} could not be opened: ${(cause as Error).message}`, {
      cause,
      facts: { path },
    });
  }
}
