import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { throwIfCancelled } from '../../core/index.ts';
import { closeEnds, type StepFifos } from './fifos.ts';
import { HOST_PATH } from './host-programs.ts';
import { withoutLeaks } from './inherited-descriptors.ts';
import type { StepExit, StepRequest } from './types.ts';

/** What a step's process tree did. */
export interface StepOutcome {
  /** The command was started; otherwise the bootstrap failed, and `messages` say why. */
  readonly started: boolean;
  readonly exit: StepExit;
  readonly messages: string;
  /** Byte strings: paths of mount points that had to be made in the step's own directory. */
  readonly madePaths: readonly string[];
}

/** A bootstrap in two parts: the second, with the command, is handed over when the first has reported `ok`. */
export interface StepScript {
  readonly setup: string;
  readonly command: string;
}

/**
 * Starts the command line with the script as its input and waits until nothing of its tree is left. Until the tree is tied to
 * this process it holds nothing but the set-up, and its input ends when this process does: a command never runs orphaned.
 */
export async function runStepProcess(
  fifos: StepFifos,
  input: {
    readonly command: readonly string[];
    readonly script: StepScript;
    /** Descriptor 3 of the command line. */
    readonly userNamespace: number | undefined;
    readonly onOutput: StepRequest['onOutput'];
  },
  signal: AbortSignal,
): Promise<StepOutcome> {
  const child = spawnStep(fifos, input);
  const outputs = [
    drain(fifos.stdout.readEnd, (bytes) => input.onOutput('stdout', bytes)),
    drain(fifos.stderr.readEnd, (bytes) => input.onOutput('stderr', bytes)),
  ];
  const messages = collect(child.stdio[2]);
  const script = new Socket({ fd: fifos.script.writeEnd, readable: false, writable: true });
  // A bootstrap that failed leaves its script unread.
  script.on('error', () => undefined);
  script.write(Buffer.from(input.script.setup, 'latin1'));
  const reports = collect(child.stdio[4], (text) => {
    if (isReady(text)) script.end(Buffer.from(input.script.command, 'latin1'));
  });
  const stopWatching = killOnAbort(child, signal);
  const end = await ended(child);
  script.destroy();
  await Promise.all([...outputs, messages, reports]);
  const firstProcess = stopWatching();
  if (firstProcess !== undefined) await vanished(firstProcess);
  throwIfCancelled(signal);
  return toOutcome(end, await messages, await reports);
}

function spawnStep(
  fifos: StepFifos,
  input: { readonly command: readonly string[]; readonly userNamespace: number | undefined },
): ChildProcess {
  const [program = '', ...args] = input.command;
  const { stdio, close } = withoutLeaks([
    fifos.script.readEnd,
    fifos.stdout.writeEnd,
    'pipe',
    input.userNamespace ?? 'ignore',
    'pipe',
    fifos.stderr.writeEnd,
  ] as const);
  const child = spawn(program, args, {
    // util-linux 2.39 and later mount by fsconfig, which refuses the long option strings of deep stacks.
    env: { PATH: HOST_PATH, LC_ALL: 'C', LIBMOUNT_FORCE_MOUNT2: 'always' },
    cwd: '/',
    detached: true,
    stdio: [...stdio],
  });
  close();
  closeEnds(fifos.stdout.writeEnd, fifos.stderr.writeEnd, fifos.script.readEnd);
  return child;
}

interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

function ended(child: ChildProcess): Promise<ProcessEnd> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

function drain(descriptor: number, onBytes: (bytes: Uint8Array) => void): Promise<void> {
  return new Promise((resolve) => {
    const socket = new Socket({ fd: descriptor, readable: true, writable: false });
    socket.on('data', onBytes);
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}

async function collect(
  stream: ChildProcess['stdio'][number],
  onText: (text: string) => void = () => undefined,
): Promise<string> {
  let text = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1');
    onText(text);
  }
  return text;
}

/** The last report says that the command may start. */
function isReady(reports: string): boolean {
  return reports.endsWith('\nok\n') || reports === 'ok\n';
}

/** On abort kills `unshare`, whose death the kernel passes on. Ends the watch with the pid of the tree's process 1, if killed. */
function killOnAbort(child: ChildProcess, signal: AbortSignal): () => number | undefined {
  let firstProcess: number | undefined;
  const kill = (): void => {
    firstProcess = childOf(child.pid);
    killGroup(child);
  };
  if (signal.aborted) kill();
  else signal.addEventListener('abort', kill, { once: true });
  return () => {
    signal.removeEventListener('abort', kill);
    return firstProcess;
  };
}

/** The command line is a group of its own; the kernel ends what left it, with process 1. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

function childOf(pid: number | undefined): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children === '' ? undefined : Number(children.split(' ')[0]);
  } catch {
    return undefined;
  }
}

/** Process 1 of a PID namespace ends only when all others have: until then they may still write. */
async function vanished(pid: number): Promise<void> {
  for (let attempt = 0; attempt < 500 && isRunning(pid); attempt += 1) await delay(2);
}

/** A zombie has ended; whoever inherited it may be slow to notice. */
function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** util-linux before 2.41 answers so when process 1 was killed, which is what the kernel does to a step without memory. */
const FIRST_PROCESS_KILLED = 'sigprocmask unblock failed';

function toOutcome(end: ProcessEnd, messages: string, reports: string): StepOutcome {
  const lines = reports.split('\n');
  const started = isReady(reports);
  return {
    started,
    exit: toExit(end, started && messages.includes(FIRST_PROCESS_KILLED)),
    messages: Buffer.from(messages, 'latin1').toString('utf8').trim(),
    madePaths: lines.filter((line) => line.startsWith('made ')).map((line) => line.slice('made '.length)),
  };
}

function toExit(end: ProcessEnd, killed: boolean): StepExit {
  const number = end.signal === null ? 0 : constants.signals[end.signal];
  const exitCode = killed ? 137 : number > 0 ? 128 + number : (end.code ?? 1);
  const name = signalName(exitCode - 128);
  return name === undefined ? { exitCode } : { exitCode, signal: name };
}

function signalName(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
