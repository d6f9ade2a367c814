import { createRandom } from '../support/random.ts';
import { createMutator } from './mutate.ts';
import type { Target } from './targets.ts';

export interface FuzzInput {
  readonly target: Target;
  readonly seed: number;
  /** Inputs to be tried. */
  readonly count: number;
  /** An input that takes longer is a failure. */
  readonly limitMs: number;
  /** Told after every `PROGRESS_STEP` inputs, and at the end. */
  readonly onProgress?: (done: number) => void;
}

/** An input that went wrong; `index` counts from 0 for the seed. */
export interface FuzzFailure {
  readonly target: string;
  readonly index: number;
  readonly input: string;
  readonly problem: string;
}

export interface FuzzReport {
  readonly tried: number;
  readonly failures: readonly FuzzFailure[];
  readonly slowestMs: number;
}

export const PROGRESS_STEP = 1000;
const MAX_FAILURES = 5;

/** Hands mutated inputs to a target. Ends early after a few failures. */
export function fuzz({ target, seed, count, limitMs, onProgress }: FuzzInput): FuzzReport {
  const mutator = createMutator({ random: createRandom(seed), corpus: target.corpus, tokens: target.tokens });
  const failures: FuzzFailure[] = [];
  let slowestMs = 0;
  let tried = 0;
  while (tried < count && failures.length < MAX_FAILURES) {
    const input = mutator.next();
    const { problem, ms } = tryInput(target, input);
    slowestMs = Math.max(slowestMs, ms);
    const found = problem ?? (ms > limitMs ? `it took ${Math.round(ms)} ms` : undefined);
    if (found !== undefined) failures.push({ target: target.name, index: tried, input, problem: found });
    tried += 1;
    if (tried % PROGRESS_STEP === 0) onProgress?.(tried);
  }
  onProgress?.(tried);
  return { tried, failures, slowestMs };
}

function tryInput({ check }: Target, input: string): { readonly problem: string | undefined; readonly ms: number } {
  const start = performance.now();
  let problem: string | undefined;
  try {
    check(input);
  } catch (error) {
    problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  return { problem, ms: performance.now() - start };
}
