import { BuildError, linkedAbort, toBuildError } from '../core/index.ts';
import { createSlots } from '../solver/index.ts';

/** What became of one of several targets. */
export type TargetVerdict<T> =
  | { readonly kind: 'built'; readonly result: T }
  | { readonly kind: 'failed'; readonly error: BuildError }
  /** A target that it needs was not built. */
  | { readonly kind: 'skipped'; readonly because: string }
  /** It was ended, or never begun, because another one failed or the caller aborted. */
  | { readonly kind: 'cancelled' };

export interface RunTargetsInput<T> {
  /** What each target needs, by name. */
  readonly needs: ReadonlyMap<string, readonly string[]>;
  /** Targets that are worked at at once. */
  readonly atOnce: number;
  /** After a failure go on with what does not need the failed one, instead of ending everything. */
  readonly keepGoing: boolean;
  readonly signal: AbortSignal;
  /** `built` has what the target needs. */
  readonly run: (name: string, built: ReadonlyMap<string, T>, signal: AbortSignal) => Promise<T>;
}

/**
 * Works at targets side by side, each after those that it needs. Resolves when everything has come to rest; never rejects.
 *
 * @throws BuildError `BAKE_INVALID`, before anything is begun, for targets that need each other, or one that is not there.
 */
export async function runTargets<T>(input: RunTargetsInput<T>): Promise<ReadonlyMap<string, TargetVerdict<T>>> {
  checkNeeds(input.needs);
  const { controller, unlink } = linkedAbort(input.signal);
  const slots = createSlots(input.atOnce);
  const verdicts = new Map<string, Promise<TargetVerdict<T>>>();
  const verdictOf = (name: string): Promise<TargetVerdict<T>> => {
    const known = verdicts.get(name) ?? work(name);
    verdicts.set(name, known);
    return known;
  };
  const work = async (name: string): Promise<TargetVerdict<T>> => {
    const needed = input.needs.get(name)!;
    const built = new Map<string, T>();
    const ends = await Promise.all(needed.map(verdictOf));
    for (const [at, end] of ends.entries()) if (end.kind === 'built') built.set(needed[at]!, end.result);
    if (controller.signal.aborted) return { kind: 'cancelled' };
    const because = needed.find((each) => !built.has(each));
    if (because !== undefined) return { kind: 'skipped', because };
    try {
      const { signal } = controller;
      return { kind: 'built', result: await slots.use(signal, () => input.run(name, built, signal)) };
    } catch (thrown) {
      const error = toBuildError(thrown);
      if (error.kind === 'cancelled' && controller.signal.aborted) return { kind: 'cancelled' };
      if (!input.keepGoing) controller.abort(error);
      return { kind: 'failed', error };
    }
  };
  try {
    const names = [...input.needs.keys()];
    const ends = await Promise.all(names.map(verdictOf));
    return new Map(names.map((name, at) => [name, ends[at]!]));
  } finally {
    unlink();
  }
}

function checkNeeds(needs: RunTargetsInput<unknown>['needs']): void {
  const checked = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) {
      throw new BuildError('BAKE_INVALID', `The targets need each other: ${[...path, name].join(' → ')}.`);
    }
    const needed = needs.get(name);
    if (needed === undefined) {
      throw new BuildError('BAKE_INVALID', `The target "${path.at(-1)}" needs "${name}", which is not there.`, {
        hint: `There are: ${[...needs.keys()].toSorted().join(', ')}.`,
      });
    }
    if (checked.has(name)) return;
    for (const each of needed) visit(each, [...path, name]);
    checked.add(name);
  };
  for (const name of needs.keys()) visit(name, []);
}
