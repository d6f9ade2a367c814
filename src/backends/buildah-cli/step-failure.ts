import { BuildError } from '../../core/index.ts';
import type { ExecOp, Vertex } from '../../graph/index.ts';
import { buildahFailed } from './buildah-failure.ts';
import type { BuildahExit } from './run-buildah.ts';

/** Signals by the names with which Go tells them. */
const SIGNALS: Readonly<Record<string, readonly [name: string, number: number]>> = {
  hangup: ['SIGHUP', 1],
  interrupt: ['SIGINT', 2],
  quit: ['SIGQUIT', 3],
  aborted: ['SIGABRT', 6],
  killed: ['SIGKILL', 9],
  'segmentation fault': ['SIGSEGV', 11],
  'broken pipe': ['SIGPIPE', 13],
  terminated: ['SIGTERM', 15],
};

/** A build that ended badly. */
export interface FailedBuild {
  /** The vertex of the step that was running; undefined when none had begun. */
  readonly vertex: Vertex | undefined;
  readonly exit: BuildahExit;
  readonly outputTail: readonly string[];
}

/** The error of a failed build: of the step's command where that is to blame, else of buildah. */
export function buildFailed({ vertex, exit, outputTail }: FailedBuild): BuildError {
  const error = buildahFailed({ action: 'build the image' }, exit);
  if (vertex === undefined) return error;
  const { location } = vertex.info;
  if (vertex.op.kind === 'exec') {
    const end = endOf(exit.stderr);
    if (end === undefined)
      return new BuildError('BACKEND_FAILED', error.message, { location, hint: error.hint, cause: error.cause });
    const { exitCode, signal } = end;
    const how = signal === undefined ? `exit code ${exitCode}` : `exit code ${exitCode} (${signal})`;
    return new BuildError('STEP_FAILED', `The command "${shownCommand(vertex.op)}" failed with ${how}.`, {
      facts: { vertex: vertex.id, outputTail, ...end },
      location,
      hint: hintOf(vertex.op, exitCode),
      cause: error.cause,
    });
  }
  const missing = /(?:no items matching glob "[^"]*" copied|no such file or directory|lstat|copier: stat: )/.test(
    error.message,
  );
  if (vertex.op.kind === 'copy' && missing) {
    const path = vertex.op.sources.flatMap((source) => (source.kind === 'input' ? [source.path] : []))[0] ?? '';
    return new BuildError('SOURCE_NOT_FOUND', `${path} is not in the stage or image that it is copied from.`, {
      facts: { path },
      location,
      cause: error.cause,
    });
  }
  if (
    vertex.op.kind === 'copy' &&
    /looking up (UID|GID|user|group)|unknown user|unable to find user|error looking up/i.test(error.message)
  ) {
    return new BuildError('USER_NOT_FOUND', `The owner ${vertex.op.chown ?? ''} is not known in the image.`, {
      location,
      cause: error.cause,
    });
  }
  return new BuildError(error.code as 'BACKEND_FAILED', error.message, {
    location,
    hint: error.hint,
    cause: error.cause,
  });
}

/** How the command of a step ended; undefined when it was not the command that failed. */
function endOf(stderr: string): { readonly exitCode: number; readonly signal?: string } | undefined {
  const isStep = /^Error: building at STEP "RUN/m.test(stderr);
  if (!isStep) return undefined;
  const killed = /^subprocess exited on (.+)$/m.exec(stderr)?.[1];
  const known = killed === undefined ? undefined : SIGNALS[killed];
  if (known !== undefined) return { exitCode: 128 + known[1], signal: known[0] };
  if (/process failed to start with error: .*permission denied/.test(stderr)) return { exitCode: 126 };
  if (/process failed to start with error: |executable file .* not found/.test(stderr)) return { exitCode: 127 };
  const code = /(?:^|: )exit status (\d+)\s*$/.exec(stderr.trimEnd())?.[1];
  return code === undefined ? undefined : { exitCode: Number(code) };
}

function shownCommand(op: ExecOp): string {
  const [program = '', flag, text] = op.args;
  const shown = op.script ?? (/sh$/.test(program) && flag === '-c' && text !== undefined ? text : op.args.join(' '));
  const [first = '', ...more] = shown.trim().split('\n');
  return more.length === 0 && first.length <= 200 ? first : `${first.slice(0, 200)} …`;
}

function hintOf(op: ExecOp, exitCode: number): string | undefined {
  const program = op.args[0] ?? '';
  if (exitCode === 127 && op.args[1] === '-c') {
    return `A command was not found, or the image has no ${program}: install it in an earlier step, or correct its name or PATH.`;
  }
  if (exitCode === 127)
    return `The image has no program ${program}: install or COPY it in an earlier step, or correct its name or PATH.`;
  if (exitCode === 126)
    return 'The file is there, but is not executable: check its mode (COPY --chmod=755) and that it is a program.';
  if (exitCode === 137) return 'It was killed (SIGKILL), most often because memory ran out.';
  return undefined;
}
