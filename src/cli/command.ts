import type { Readable, Writable } from 'node:stream';
import type { CompletionHint, OptionTable } from './options/option-table.ts';
import type { ParsedOptions } from './options/parse-options.ts';
import type { Services } from './services.ts';

/** Where a command writes. `columns` is undefined where there is no terminal. */
export interface TextOutput {
  write(text: string): void;
  readonly isTerminal: boolean;
  columns(): number | undefined;
  rows(): number | undefined;
}

/** Everything outside that a command may touch: tests give fakes. */
export interface CommandContext {
  /** Data: what another program would read. */
  readonly stdout: TextOutput;
  /** Progress, messages, errors. */
  readonly stderr: TextOutput;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** Raw bytes for `-o -` and `save`. */
  readonly rawStdout: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly services: Services;
}

/** What stands after the options. */
export interface Positionals {
  /** As in the usage line, such as `PATH | URL | -`. Empty when there are none. */
  readonly usage: string;
  readonly min: number;
  /** `Infinity` for any number. */
  readonly max: number;
  readonly complete?: CompletionHint;
}

/** A command line with a sentence that says what it does. */
export interface CommandExample {
  readonly text: string;
  readonly line: string;
}

/** One verb. Help, completion, the reference page and the parser all read this one description. */
export interface Command<T extends OptionTable = OptionTable> {
  /** One word, or two for a command of a group, such as `dockerfile fmt`. */
  readonly name: string;
  /** One sentence without a full stop. */
  readonly summary: string;
  /** Paragraphs below the usage line. */
  readonly details?: readonly string[];
  readonly positionals: Positionals;
  readonly options: T;
  readonly examples: readonly CommandExample[];
  /** Resolves to the exit status; nothing means 0. @throws BuildError */
  readonly run: (context: CommandContext, input: ParsedOptions<T>) => Promise<number | undefined>;
}

/** Gives a command's `run` the types of its own options. */
export function defineCommand<const T extends OptionTable>(command: Command<T>): Command {
  return command as unknown as Command;
}
