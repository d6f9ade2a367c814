import { constants } from 'node:os';
import { exitCodeOf } from '../core/index.ts';
import type { CommandContext, TextOutput } from './command.ts';
import { createServices } from './native-services.ts';
import { runCommandLine } from './run-command-line.ts';

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';
const SIGNALS: readonly Signal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Runs a command line in this process: its streams, its signals, its exit status. Who calls it ends the process. */
export async function runProcess(args: readonly string[]): Promise<void> {
  // Stays when the event loop runs dry with the command unfinished, which would be our own bug.
  process.exitCode = exitCodeOf('internal');
  const controller = new AbortController();
  watchSignals(controller);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onStreamError);
  process.on('exit', () => {
    if (process.stderr.isTTY) process.stderr.write('\x1b[?25h');
  });
  const context: CommandContext = {
    stdout: textOutputOf(process.stdout),
    stderr: textOutputOf(process.stderr),
    // Opening it costs 3 ms, and most runs read nothing.
    get stdin() {
      return process.stdin;
    },
    rawStdout: process.stdout,
    env: process.env,
    cwd: process.cwd(),
    now: Date.now,
    signal: controller.signal,
    services: createServices(process.env),
  };
  process.exitCode = await runCommandLine(context, args);
}

function watchSignals(controller: AbortController): void {
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      const status = 128 + constants.signals[signal];
      if (controller.signal.aborted) process.exit(status);
      controller.abort(new DOMException(`Interrupted by ${signal}.`, 'AbortError'));
    });
  }
}

/** The reader went away (`zlayer images | head -1`): that is no error of ours, and nobody is left to tell. */
function onStreamError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}

function textOutputOf(stream: NodeJS.WriteStream): TextOutput {
  return {
    write: (text) => {
      stream.write(text);
    },
    isTerminal: stream.isTTY === true,
    columns: () => (stream.isTTY ? stream.columns : undefined),
    rows: () => (stream.isTTY ? stream.rows : undefined),
  };
}
