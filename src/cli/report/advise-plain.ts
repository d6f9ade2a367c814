import { BuildError, isBuildError } from '../../core/index.ts';

/** An error whose output is shorter than this shows all of it already. */
const MIN_TAIL_LINES = 10;
const ADVICE = 'Use --progress=plain to see the whole output.';

/** The error of a step whose output was not shown as a whole, with the advice how to see it. */
export function advisePlain(thrown: unknown): unknown {
  if (!isBuildError(thrown, 'STEP_FAILED') || (thrown.facts?.outputTail.length ?? 0) < MIN_TAIL_LINES) return thrown;
  const { message, facts, hint, location, cause } = thrown;
  const advised = hint === undefined ? ADVICE : `${hint}\n${ADVICE}`;
  return new BuildError('STEP_FAILED', message, {
    ...(facts === undefined ? {} : { facts }),
    hint: advised,
    location,
    cause,
  });
}
