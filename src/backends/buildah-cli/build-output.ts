import type { RenderedStage, RenderedStep } from './render-stage.ts';

/** What the output of `buildah build` tells. */
export interface BuildOutputSink {
  /** A step begins, and so the one before has ended. */
  readonly started: (step: RenderedStep) => void;
  /** The step that began is taken from buildah's cache. */
  readonly cached: (step: RenderedStep) => void;
  /** Output of the step's command; may hold part of a line. */
  readonly log: (step: RenderedStep, stream: 'stdout' | 'stderr', text: string) => void;
  /** buildah's own warning. */
  readonly warning: (message: string) => void;
}

export interface BuildOutput {
  write(stream: 'stdout' | 'stderr', text: string): void;
  /** No more comes: what was held back is told. */
  end(): void;
}

const STEP = /^(?:\[(\d+)\/(\d+)\] )?STEP (\d+)\/(\d+): /;
const CACHED = /^--> Using cache [0-9a-f]{64}$/;
const DONE = /^(.*?)(--> [0-9a-f]{11,12})$/s;
const COMMIT = /^(.*?)((?:\[\d+\/\d+\] )?COMMIT)$/s;
const TRANSFER = /^(Getting image source signatures|Copying (blob|config) |Writing manifest|Storing signatures)/;
/** What may become a line of buildah's, also behind output without a line end. */
const OWN_BEGIN = /-->|--?$|^\[\d*$|^\[\d+\/|^S|\[[\d/]*(\] ?)?$|(\] )?C(O(M(M(IT?)?)?)?)?$/;
/** What buildah says on stderr of itself; never the step's. */
const OWN_ERROR =
  /^(Error: |subprocess exited |process exited with error|process failed to start|exit status \d|error running container: |time="|\[Warning\] )/;
const OWN_WARNING = /^time="[^"]*" level=warning msg="(.*)"$/;

/**
 * Reads the output of `buildah build --layers --jobs 1` of a rendered Dockerfile, and tells what belongs to which step. The
 * lines of buildah are known by the places that they must have: numbers that fit the file, in its order. What looks like one
 * and is not followed by what must follow it is the step's own output.
 */
export function createBuildOutput(stages: readonly RenderedStage[], sink: BuildOutputSink): BuildOutput {
  const steps = stages.flatMap((stage, index) =>
    stage.steps.map((step, nth) => ({ step, stage: index + 1, nth: nth + 1 })),
  );
  let at = -1;
  let isFresh = false;
  let isOver = false;
  /** A line of stdout that is buildah's if a step begins after it. */
  let held = '';
  const pending = { stdout: '', stderr: '' };

  const log = (stream: 'stdout' | 'stderr', text: string): void => {
    const current = steps[at];
    if (text === '' || current === undefined || isOver || current.step.role === 'source') return;
    sink.log(current.step, stream, text);
  };
  const begins = (line: string): boolean => {
    const match = STEP.exec(line);
    if (match === null) return false;
    const [stage, of, nth, total] = [match[1] ?? '1', match[2] ?? '1', match[3], match[4]].map(Number);
    if (of !== stages.length || total !== stages[stage! - 1]?.steps.length) return false;
    const index = steps.findIndex((each) => each.stage === stage && each.nth === nth);
    if (index <= at) return false;
    at = index;
    return true;
  };
  const readLine = (line: string): void => {
    if (isOver) return;
    if (begins(line)) {
      held = '';
      isFresh = true;
      sink.started(steps[at]!.step);
      return;
    }
    const wasFresh = isFresh;
    isFresh = false;
    if (wasFresh && CACHED.test(line)) {
      sink.cached(steps[at]!.step);
      return;
    }
    const own = DONE.exec(line) ?? (at === steps.length - 1 ? COMMIT.exec(line) : null);
    if (own === null && steps[at]?.step.role !== 'work' && held === '') return;
    log('stdout', held);
    held = '';
    if (own === null) {
      if (!TRANSFER.test(line)) log('stdout', `${line}\n`);
      return;
    }
    log('stdout', own[1]!);
    held = `${own[2]}\n`;
    if (at === steps.length - 1 && own[2]!.endsWith('COMMIT')) isOver = true;
  };
  const readError = (line: string): void => {
    const warning = OWN_WARNING.exec(line);
    if (warning !== null) sink.warning(warning[1]!.replaceAll('\\"', '"'));
    else if (!OWN_ERROR.test(line)) log('stderr', `${line}\n`);
  };
  /** The begin of a line that may still become one of buildah's is kept until it is whole. */
  const flushPart = (stream: 'stdout' | 'stderr'): void => {
    const part = pending[stream];
    const mayBeOwn = stream === 'stdout' ? OWN_BEGIN : /^[Espet[]/;
    if (part === '' || held !== '' || mayBeOwn.test(part)) return;
    pending[stream] = '';
    isFresh = false;
    log(stream, part);
  };
  return {
    write: (stream, text) => {
      const lines = (pending[stream] + text).split('\n');
      pending[stream] = lines.pop() ?? '';
      for (const line of lines) stream === 'stdout' ? readLine(line) : readError(line);
      flushPart(stream);
    },
    end: () => {
      if (held !== '' && !isOver) log('stdout', held);
      held = '';
      if (pending.stdout !== '') log('stdout', pending.stdout);
      if (pending.stderr !== '' && !OWN_ERROR.test(pending.stderr)) log('stderr', pending.stderr);
      pending.stdout = '';
      pending.stderr = '';
    },
  };
}
