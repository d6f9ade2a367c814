import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import type { Env } from './types.ts';

/** A call of an engine's program. */
export interface ProgramCall {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Env;
  readonly cwd?: string;
  /** For its standard input. */
  readonly input?: AsyncIterable<Uint8Array>;
}

const KEPT_CHARACTERS = 8192;

/** The program of that name on `PATH`. */
export function findProgram(name: string, { PATH = '' }: Env): string | undefined {
  const files = PATH.split(delimiter).flatMap((directory) => (directory === '' ? [] : [join(directory, name)]));
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

/**
 * Runs a program to its end and gives what it printed.
 *
 * @throws BuildError `OUTPUT_FAILED` with what it said, `CANCELLED`; what the input throws.
 */
export async function runProgram(call: ProgramCall, { signal }: RunContext): Promise<string> {
  throwIfCancelled(signal);
  const { program, args, env, cwd, input } = call;
  const child = spawn(program, args, {
    env: { ...env },
    ...(cwd === undefined ? {} : { cwd }),
    signal,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const printed = keepOutput(child);
  const ended = new Promise<number | Error>((resolve) => {
    child.once('error', resolve);
    child.once('close', (code) => resolve(code ?? 1));
  });
  const fed = feed(child, input);
  const exit = await ended;
  throwIfCancelled(signal);
  const failure = await fed;
  if (exit === 0 && failure === undefined) return printed.stdout;
  if (failure instanceof BuildError) throw failure;
  const said = exit instanceof Error ? exit.message : printed.stderr.trim() || `exit code ${exit}`;
  throw new BuildError('OUTPUT_FAILED', `${[program, ...args.slice(0, 2)].join(' ')} failed: ${said}`, {
    cause: exit instanceof Error ? exit : undefined,
    hint: 'The image was built and is in the store of zlayer.',
  });
}

function keepOutput(child: ChildProcess): { stdout: string; stderr: string } {
  const kept = { stdout: '', stderr: '' };
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    kept.stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    kept.stderr = (kept.stderr + text).slice(-KEPT_CHARACTERS);
  });
  return kept;
}

/** A program that ends early breaks the pipe; what it said about that is worth more than the pipe's error. */
async function feed(child: ChildProcess, input: ProgramCall['input']): Promise<unknown> {
  try {
    await pipeline(Readable.from(input ?? [], { objectMode: false }), child.stdin!);
    return undefined;
  } catch (error) {
    return error;
  }
}
