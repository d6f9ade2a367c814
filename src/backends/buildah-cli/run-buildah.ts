import { type ChildProcess, spawn } from 'node:child_process';
import { BuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import type { Env } from '../selection/host-facts.ts';
import type { ImageMemory } from './image-memory.ts';
import { descendantsOf, isBuildahProcess } from './process-tree.ts';
import type { BuildahVersion } from './version.ts';

/** A buildah that was found, and how it is called. */
export interface Buildah {
  readonly path: string;
  readonly version: BuildahVersion;
  /** Options before every subcommand, such as where the images are. */
  readonly globalArgs: readonly string[];
  readonly env: Env;
  readonly memory: ImageMemory;
}

export interface BuildahCall {
  /** Subcommand, options, arguments. */
  readonly args: readonly string[];
  /** Variables beyond those of `Buildah.env`; undefined takes one away. */
  readonly env?: Env;
  /** Program and arguments that start it, such as `unshare -n`. */
  readonly wrapper?: readonly string[];
  /** Called with what it prints, as it comes. Output that is taken here is not kept. */
  readonly onOutput?: (stream: 'stdout' | 'stderr', text: string) => void;
}

/** How a call ended. */
export interface BuildahExit {
  /** 128 + N when it was ended by signal N. */
  readonly exitCode: number;
  /** Empty where `onOutput` took it. */
  readonly stdout: string;
  /** The end of it, at most. */
  readonly stderr: string;
}

const KEPT_STDERR = 64 << 10;
/** How long buildah may clean up behind itself when its step was ended. */
const CLEAN_UP_MS = 5000;
const TERMINATE_MS = 2000;
const LOOK_MS = 50;

/**
 * Runs buildah to its end. When the signal aborts, the commands of its steps are killed first, so that it can take its
 * containers away itself; then it is asked to end, then its whole tree is killed.
 *
 * @throws BuildError `CANCELLED` once the signal is aborted, `BACKEND_UNAVAILABLE` when it cannot be started.
 */
export async function runBuildah(buildah: Buildah, call: BuildahCall, context: RunContext): Promise<BuildahExit> {
  const { signal } = context;
  throwIfCancelled(signal);
  const [program = buildah.path, ...before] = [...(call.wrapper ?? []), buildah.path];
  const child = spawn(program, [...before, ...buildah.globalArgs, ...call.args], {
    env: definedEnv({ ...buildah.env, ...call.env }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const output = collectOutput(child, call.onOutput);
  let stopping: Promise<void> | undefined;
  const onAbort = (): void => {
    stopping ??= stop(child);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const exitCode = await waitForEnd(child, program);
    await stopping;
    throwIfCancelled(signal);
    return { exitCode, ...output() };
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function definedEnv(env: Env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
}

function collectOutput(child: ChildProcess, onOutput: BuildahCall['onOutput']): () => Omit<BuildahExit, 'exitCode'> {
  const kept = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]!.setEncoding('utf8');
    child[stream]!.on('data', (text: string) => {
      if (stream === 'stderr') kept.stderr = (kept.stderr + text).slice(-KEPT_STDERR);
      else if (onOutput === undefined) kept.stdout += text;
      // What both streams hold by now is seen before the next turn: steps end on stdout, and stderr must not come late.
      if (stream === 'stdout') setImmediate(() => onOutput?.(stream, text));
      else onOutput?.(stream, text);
    });
  }
  return () => kept;
}

function waitForEnd(child: ChildProcess, program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: Error) => {
      reject(
        new BuildError('BACKEND_UNAVAILABLE', `${program} could not be started: ${error.message}.`, { cause: error }),
      );
    });
    child.once('close', (code, signal) => {
      setImmediate(() => resolve(code ?? 128 + signalNumber(signal)));
    });
  });
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal as string] ?? 0;
}

async function stop(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return;
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const known = new Set<number>();
  const look = (): void => {
    for (const each of descendantsOf(pid)) {
      known.add(each);
      if (!isBuildahProcess(each)) kill(each, 'SIGKILL');
    }
  };
  if (await waitUntil(hasEnded, CLEAN_UP_MS, look)) return;
  kill(-pid, 'SIGTERM');
  if (!(await waitUntil(hasEnded, TERMINATE_MS))) kill(-pid, 'SIGKILL');
  // What had left the process group, such as the processes of a step, goes too.
  for (const each of known) if (isBuildahProcess(each)) kill(each, 'SIGKILL');
}

async function waitUntil(isDone: () => boolean, limitMs: number, onTurn?: () => void): Promise<boolean> {
  for (const endMs = Date.now() + limitMs; Date.now() < endMs; ) {
    if (isDone()) return true;
    onTurn?.();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return isDone();
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself.
  }
}
