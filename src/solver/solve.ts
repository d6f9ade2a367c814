import {
  type CacheVerdict,
  isBuildError,
  linkedAbort,
  type RunContext,
  throwIfCancelled,
  toBuildError,
  withLocation,
} from '../core/index.ts';
import type { CacheKey, Vertex, VertexId } from '../graph/index.ts';
import { placeOfError } from './place-error.ts';
import { createSharedWork } from './shared-work.ts';
import { createSlots, type Slot, type Slots } from './slots.ts';
import type { CachedResult, OpRunner, Outcomes, ResultCache, SolveInput, SolverPool, VertexOutcome } from './types.ts';
import { explainMiss } from './verdict.ts';

export interface SolverDeps<R> {
  readonly runner: OpRunner<R>;
  readonly cache: ResultCache<R>;
  /** Shared with other solves, whose caches keep what this one makes. Absent: this one is alone. */
  readonly pool?: SolverPool<R>;
}

/**
 * Evaluates a graph: inputs first, independent vertices side by side, each vertex once, steps with the same key once, also
 * across the solves of a pool. The first failure cancels the rest, but for what others wait for; it is thrown when everything
 * has come to rest.
 *
 * @throws BuildError of the step that failed, with its place in the Dockerfile; `CANCELLED`.
 */
export async function solve<R>(deps: SolverDeps<R>, input: SolveInput, context: RunContext): Promise<Outcomes<R>> {
  const { controller, unlink } = linkedAbort(context.signal);
  const pool = deps.pool ?? { running: createSharedWork() };
  const run: Solving<R> = {
    ...deps,
    input,
    context: { ...context, signal: controller.signal },
    pool,
    slots: pool.slots ?? createSlots(input.parallelism),
  };
  const outcomes = new Map<VertexId, Promise<VertexOutcome<R>>>();
  let firstFailure: unknown;
  for (const vertex of input.graph.vertices) {
    const inputs = vertex.inputs.map((id) => outcomes.get(id)!);
    const outcome = evaluate(run, vertex, inputs);
    outcome.catch((error: unknown) => {
      firstFailure ??= error;
      controller.abort(error);
    });
    outcomes.set(vertex.id, outcome);
  }
  const settled = await Promise.allSettled(outcomes.values());
  unlink();
  if (firstFailure !== undefined) throw firstFailure;
  return new Map(settled.flatMap((item) => (item.status === 'fulfilled' ? [[item.value.vertex.id, item.value]] : [])));
}

interface Solving<R> extends SolverDeps<R> {
  readonly input: SolveInput;
  readonly context: RunContext;
  readonly slots: Slots;
  readonly pool: SolverPool<R>;
}

async function evaluate<R>(
  solving: Solving<R>,
  vertex: Vertex,
  inputs: ReadonlyArray<Promise<VertexOutcome<R>>>,
): Promise<VertexOutcome<R>> {
  const ready = await Promise.all(inputs);
  return solving.slots.use(solving.context.signal, async (slot) => {
    const startedMs = Date.now();
    const blocking = ready.find((outcome) => outcome.value === undefined);
    if (blocking !== undefined) return behind(vertex, blocking, startedMs);
    const { emit } = solving.context;
    emit({ kind: 'vertex-started', time: startedMs, vertex: vertex.id });
    try {
      const values = ready.map((outcome) => outcome.value!.result);
      const { verdict, value } = await evaluateReady(solving, { vertex, inputs: values, slot });
      const durationMs = Date.now() - startedMs;
      emit({ kind: 'vertex-completed', time: Date.now(), vertex: vertex.id, durationMs, verdict });
      return { vertex, verdict, startedMs, durationMs, ...(value === undefined ? {} : { value }) };
    } catch (thrown) {
      const error = toBuildError(thrown);
      const { code, message } = error;
      const now = Date.now();
      emit({ kind: 'vertex-failed', time: now, vertex: vertex.id, durationMs: now - startedMs, code, message });
      const place = placeOfError(vertex, error);
      throw place === undefined ? error : withLocation(error, place);
    }
  });
}

function behind<R>(vertex: Vertex, blocking: VertexOutcome<R>, startedMs: number): VertexOutcome<R> {
  const reason = `depends on ${blocking.vertex.info.name}, which would run`;
  return { vertex, verdict: { kind: 'unknown', reason }, startedMs, durationMs: 0 };
}

interface Evaluated<R> {
  readonly verdict: CacheVerdict;
  readonly value?: CachedResult<R>;
}

interface Ready<R> {
  readonly vertex: Vertex;
  readonly inputs: readonly R[];
  /** The place that is taken while it is evaluated. */
  readonly slot: Slot;
}

async function evaluateReady<R>(solving: Solving<R>, ready: Ready<R>): Promise<Evaluated<R>> {
  const { runner, context } = solving;
  const { vertex, inputs } = ready;
  if (!runner.isCacheable(vertex)) {
    const result = await runner.run(vertex, inputs, context);
    return {
      verdict: { kind: 'source', reason: 'looked at in every build' },
      value: { result, createdMs: Date.now() },
    };
  }
  for (;;) {
    const { hit, keys } = await lookUp(solving, ready);
    if (hit !== undefined) return hit;
    if (solving.input.mode === 'plan') return { verdict: await explainMiss(solving.cache, vertex, keys) };
    // Somebody may have begun the same while this build looked for it. From here to the start nothing is waited for.
    const isUnderWay = keys.some((key) => solving.pool.running.has(workName(solving, vertex, key)));
    if (!isUnderWay) return runOnce(solving, ready, keys);
  }
}

interface LookUp<R> {
  readonly hit?: Evaluated<R>;
  /** All keys that were computed, cheapest first. */
  readonly keys: readonly CacheKey[];
}

const CACHED: CacheVerdict = { kind: 'cached', reason: 'found in the cache' };
const SHARED: CacheVerdict = { kind: 'cached', reason: 'run once, for several that need it' };

async function lookUp<R>(solving: Solving<R>, ready: Ready<R>): Promise<LookUp<R>> {
  const { cache, runner, context, pool } = solving;
  const { vertex, inputs } = ready;
  const keys: CacheKey[] = [];
  for await (const key of runner.keys(vertex, inputs, context)) {
    keys.push(key);
    const name = workName(solving, vertex, key);
    const wasRun = (await join(solving, ready, name)) || pool.ran?.has(name) === true;
    if (vertex.info.ignoreCache && !wasRun) continue;
    const value = await cache.lookup(key.key);
    if (value === undefined) continue;
    await cache.save(
      keys.slice(0, -1).map((other) => other.key),
      value,
    );
    await cache.note(vertex.info.slot, key.inputs);
    return { hit: { verdict: wasRun ? SHARED : CACHED, value }, keys };
  }
  return { keys };
}

/** Runs of the same key may stand for one another when they take the same of their requests. */
function workName<R>({ runner }: Solving<R>, vertex: Vertex, { key }: CacheKey): string {
  return `${runner.rightsOf?.(vertex) ?? ''} ${key}`;
}

/**
 * Waits for the run of a step that is under way, without a place: that run has one. True when it came to a result, which the
 * cache has then: it is taken from there, so that it counts and is kept as this build's too.
 *
 * @throws BuildError as the run does.
 */
async function join<R>(solving: Solving<R>, { slot }: Ready<R>, name: string): Promise<boolean> {
  const { signal } = solving.context;
  const joined = solving.pool.running.join(name, signal);
  if (joined === undefined) return false;
  try {
    await slot.lend(() => joined);
  } catch (error) {
    // Others gave up what they had begun; this build goes on by itself.
    if (isBuildError(error, 'CANCELLED') && !signal.aborted) return false;
    throw error;
  }
  throwIfCancelled(signal);
  return true;
}

async function runOnce<R>(solving: Solving<R>, ready: Ready<R>, keys: readonly CacheKey[]): Promise<Evaluated<R>> {
  const { cache, context, pool, runner } = solving;
  const { vertex, inputs } = ready;
  const names = keys.map((key) => workName(solving, vertex, key));
  let verdict: CacheVerdict | undefined;
  const value = await pool.running.run(names, context.signal, async (signal) => {
    verdict = await explainMiss(cache, vertex, keys);
    const result = await runner.run(vertex, inputs, { ...context, signal });
    const made = { result, createdMs: Date.now() };
    await cache.save(
      keys.map((key) => key.key),
      made,
    );
    for (const name of names) pool.ran?.add(name);
    return made;
  });
  throwIfCancelled(context.signal);
  const last = keys.at(-1);
  if (last !== undefined) await cache.note(vertex.info.slot, last.inputs);
  return { verdict: verdict!, value };
}
