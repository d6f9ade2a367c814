import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { BuildError } from '../../core/index.ts';
import type { CommandContext } from '../command.ts';

/** Asks on standard error; only `y` or `yes` is a yes. */
export async function askYesNo(context: CommandContext, question: string): Promise<boolean> {
  return /^y(es)?$/i.test((await askLine(context, `${question} [y/N] `)).trim());
}

/** Asks for a line; with `hidden` what is typed is not shown. @throws BuildError `CANCELLED` */
export async function askLine(
  context: CommandContext,
  prompt: string,
  options: { readonly hidden?: boolean } = {},
): Promise<string> {
  context.stderr.write(prompt);
  // readline echoes what is typed to its output; our own prompt is written beside it.
  const echo = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (options.hidden !== true) context.stderr.write(chunk.toString('utf8'));
      done();
    },
  });
  const reader = createInterface({ input: context.stdin, output: echo, terminal: context.stdin.isTTY === true });
  const controller = new AbortController();
  const onAbort = (): void => controller.abort();
  context.signal.addEventListener('abort', onAbort, { once: true });
  reader.on('SIGINT', onAbort);
  reader.on('close', onAbort);
  try {
    return await reader.question('', { signal: controller.signal });
  } catch (cause) {
    throw new BuildError('CANCELLED', 'The question was not answered.', { cause });
  } finally {
    context.signal.removeEventListener('abort', onAbort);
    reader.close();
    if (options.hidden === true) context.stderr.write('\n');
  }
}
