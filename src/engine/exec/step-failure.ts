import { arch } from 'node:process';
import { type Entry, type FileTree, readContent, resolvePath } from '../../archive/index.ts';
import { BuildError, bytePathOf } from '../../core/index.ts';
import type { ExecOp } from '../../graph/index.ts';
import type { StepExit } from './types.ts';

/** A command that ended badly. */
export interface FailedStep {
  readonly op: ExecOp;
  readonly vertex: string;
  readonly exit: StepExit;
  readonly outputTail: readonly string[];
  readonly base: FileTree;
  readonly fromScratch: boolean;
}

/** The error of a failed command, with what probably caused it where the exit code and the image tell. */
export function stepFailed(step: FailedStep): BuildError {
  const { exit, vertex } = step;
  const isStart = exit.exitCode >= 125 && exit.exitCode <= 127;
  const outputTail = step.outputTail.filter((line) => !isStart || !OWN_TOOL.test(line));
  const end = exit.signal === undefined ? `exit code ${exit.exitCode}` : `exit code ${exit.exitCode} (${exit.signal})`;
  return new BuildError('STEP_FAILED', `The command "${shownCommand(step.op)}" failed with ${end}${reasonOf(step)}.`, {
    facts: { vertex, ...exit, outputTail },
    hint: hintOf(step),
  });
}

/** What the tools that start a command say of it is for us; the message says it better. */
const OWN_TOOL = /^(?:\.\/env: |unshare: failed to execute )/;

/** The one failure whose output tells nothing: the program itself is not there. */
function reasonOf({ op, exit, base }: FailedStep): string {
  const [program = ''] = op.args;
  const isMissing =
    exit.exitCode === 127 && op.script === undefined && findProgram(base, program, op.env) === undefined;
  return isMissing ? `: there is no ${program} in the image` : '';
}

function shownCommand(op: ExecOp): string {
  const [program = '', flag, text] = op.args;
  const shown = /\/?(ba|da|z|a)?sh$/.test(program) && flag === '-c' && text !== undefined ? text : op.args.join(' ');
  const line = op.script === undefined ? shown : op.script;
  const [first = '', ...more] = line.trim().split('\n');
  return more.length === 0 && first.length <= 200 ? first : `${first.slice(0, 200)} …`;
}

function hintOf({ op, exit, base, fromScratch }: FailedStep): string | undefined {
  const program = op.args[0] ?? '';
  const found = op.script === undefined ? findProgram(base, program, op.env) : undefined;
  if (exit.exitCode === 127 && op.script === undefined && found === undefined)
    return missingProgram(program, fromScratch);
  const foreign = found === undefined ? undefined : foreignMachine(base, found);
  if (foreign !== undefined && exit.exitCode !== 0 && FOREIGN_EXITS.has(exit.exitCode)) {
    return `${program} is made for ${foreign}, and this machine is ${arch}: build for this machine's platform, or register an emulator (qemu-user-static with binfmt).`;
  }
  if (exit.exitCode === 127 && found !== undefined && op.args[1] !== '-c') {
    return `${program} exists, but the interpreter or loader that it names does not: a script may have a wrong #! line, or a program be linked for another C library.`;
  }
  if (exit.exitCode === 127)
    return 'The shell did not find a command: install it in an earlier step, or correct its name or PATH.';
  if (exit.exitCode === 126)
    return 'The file is there, but is not executable: check its mode (COPY --chmod=755) and that it is a program.';
  if (exit.exitCode === 125)
    return `The working directory ${op.cwd} cannot be entered: check that it is a directory that the user may open.`;
  if (exit.exitCode === 137)
    return 'It was killed (SIGKILL), most often because memory ran out: give the host more, or let the step do less at once.';
  return undefined;
}

const FOREIGN_EXITS: ReadonlySet<number> = new Set([2, 126, 127]);

function missingProgram(program: string, fromScratch: boolean): string {
  if (program.endsWith('sh') && fromScratch) {
    return `FROM scratch is empty and has no ${program}: COPY in what is needed and use the exec form, RUN ["/program"], or start from an image with a shell.`;
  }
  return program.endsWith('sh')
    ? `The image has no shell ${program}: use the exec form, RUN ["/program"], set SHELL, or run the step in a stage that has a shell.`
    : `The image has no program ${program}: install or COPY it in an earlier step, or correct its name or PATH.`;
}

interface FoundProgram {
  readonly path: string;
  readonly entry: Entry;
}

function findProgram(base: FileTree, program: string, env: readonly string[]): FoundProgram | undefined {
  const path = env.findLast((assignment) => assignment.startsWith('PATH='))?.slice('PATH='.length) ?? '';
  const candidates = program.includes('/') ? [program] : path.split(':').map((directory) => `${directory}/${program}`);
  for (const candidate of candidates) {
    const place = resolvePath(base, bytePathOf(candidate), { followLast: true });
    const entry = base.stat(place);
    if (entry?.type === 'file') return { path: place, entry };
  }
  return undefined;
}

/** Machines of ELF programs (elf.h, `e_machine`), by Node's names. */
const MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
};

/** The machine of an ELF program, when it is not this one. */
function foreignMachine(base: FileTree, { path, entry }: FoundProgram): string | undefined {
  const [head] = readContent(base.content(path), Math.min(entry.sizeBytes, 64));
  const bytes = Buffer.from(head ?? new Uint8Array(0));
  if (bytes.length < 20 || bytes.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const machine = bytes[5] === 2 ? bytes.readUInt16BE(18) : bytes.readUInt16LE(18);
  const name = MACHINES[machine] ?? `machine ${machine}`;
  const runsHere = name === arch || (name === 'ia32' && arch === 'x64') || (name === 'arm' && arch === 'arm64');
  return runsHere ? undefined : name;
}
