import { spawn } from 'node:child_process';

export interface ProgramOptions {
  readonly cwd?: string;
  /** Added to this process's environment; undefined removes a name. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string | Uint8Array;
  /** The program and everything it started is killed after this time; default two minutes. */
  readonly timeoutMs?: number;
}

export interface ProgramResult {
  /** 128 + N after signal N, as a shell tells it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** Runs a program to its end in a process group of its own, and never longer than its time. */
export function runProgram(argv: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  const [file = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: options.cwd, env: { ...process.env, ...options.env }, detached: true });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
    }, options.timeoutMs ?? 120_000);
    child.stdout.on('data', (bytes: Buffer) => stdout.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => stderr.push(bytes));
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const exitCode = code ?? 128 + (SIGNALS[signal ?? ''] ?? 0);
      const text = (parts: readonly Buffer[]): string => Buffer.concat(parts).toString('utf8');
      resolve({ exitCode, stdout: text(stdout), stderr: text(stderr), timedOut });
    });
  });
}

/** Like `runProgram`, but anything except exit status 0 is an error that shows the command and what it printed. */
export async function runOk(argv: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  const result = await runProgram(argv, options);
  if (result.exitCode !== 0) throw new Error(describeFailure(argv, result));
  return result;
}

/** One text for a failed command: what was run, how it ended, the last lines of its output. */
export function describeFailure(argv: readonly string[], result: ProgramResult): string {
  const tail = (text: string): string => text.trimEnd().split('\n').slice(-40).join('\n');
  const ending = result.timedOut ? 'ran out of time' : `exit status ${result.exitCode}`;
  return `${argv.join(' ')}\n${ending}\n${tail(result.stdout)}\n${tail(result.stderr)}`;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}
