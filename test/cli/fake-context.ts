import { Readable, Writable } from 'node:stream';
import type { CommandContext, TextOutput } from '../../src/cli/command.ts';
import { runCommandLine } from '../../src/cli/run-command-line.ts';
import type { Services } from '../../src/cli/services.ts';

/** An output that keeps what was written. */
export interface CapturedOutput extends TextOutput {
  readonly text: () => string;
}

export function captureOutput(terminal?: { readonly columns: number; readonly rows: number }): CapturedOutput {
  let written = '';
  return {
    write: (text) => {
      written += text;
    },
    isTerminal: terminal !== undefined,
    columns: () => terminal?.columns,
    rows: () => terminal?.rows,
    text: () => written,
  };
}

/** What a test gives; the rest is empty. */
export interface FakeOptions {
  readonly services?: Partial<Services>;
  readonly stdin?: Uint8Array | string;
  readonly stdinIsTerminal?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly nowMs?: number;
  readonly terminal?: { readonly columns: number; readonly rows: number };
}

export interface FakeContext {
  readonly context: CommandContext;
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
  readonly raw: () => Buffer;
}

export function createFakeContext(options: FakeOptions = {}): FakeContext {
  const stdout = captureOutput(options.terminal);
  const stderr = captureOutput(options.terminal);
  const chunks: Buffer[] = [];
  const rawStdout = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  const bytes = options.stdin === undefined ? [] : [Buffer.from(options.stdin)];
  const stdin = Object.assign(Readable.from(bytes, { objectMode: false }), { isTTY: options.stdinIsTerminal === true });
  const context: CommandContext = {
    stdout,
    stderr,
    rawStdout,
    stdin,
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
    now: () => options.nowMs ?? 0,
    signal: new AbortController().signal,
    services: refusingServices(options.services ?? {}),
  };
  return { context, stdout, stderr, raw: () => Buffer.concat(chunks) };
}

/** A service that a test did not give fails the test that calls it. */
function refusingServices(given: Partial<Services>): Services {
  return new Proxy(given, {
    get: (target, name: keyof Services) =>
      target[name] ??
      (() => {
        throw new Error(`The test did not expect a call of ${name}.`);
      }),
  }) as Services;
}

/** What a command line did. */
export interface CommandOutcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly raw: Buffer;
}

/** Runs a command line against fakes. */
export async function runFake(args: readonly string[], options: FakeOptions = {}): Promise<CommandOutcome> {
  const fake = createFakeContext(options);
  const status = await runCommandLine(fake.context, args);
  return { status, stdout: fake.stdout.text(), stderr: fake.stderr.text(), raw: fake.raw() };
}
