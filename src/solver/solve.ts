import { type CacheVerdict, linkedAbort, type RunContext, toBuildError, withLocation } from '../core/index.ts';
import type { CacheKey, Vertex, VertexId } from '../graph/index.ts';
import { placeOfError } from './place-error.ts';
import { createSlots, type Slots } from './slots.ts';
import type { CachedResult, OpRunner, Outcomes, ResultCache, SolveInput, VertexOutcome } from './types.ts';
import { explainMiss } from './verdict.ts';

export interface SolverDeps<R> {
  readonly runner: OpRunner<R>;
  readonly cache: ResultCache<R>;
}

/**
 * Evaluates a graph: inputs first, independent vertices side by side, each vertex once, steps with the same key once. The
 * first failure cancels the rest; it is thrown when everything has come to rest.
 *
 * @throws BuildError of the step that failed, with its place in the Dockerfile; `CANCELLED`.
 */
export async function solve<R>(deps: SolverDeps<R>, input: SolveInput, context: RunContext): Promise<Outcomes<R>> {
  const { controller, unlink } = linkedAbort(context.signal);
  const run: Solving<R> = {
    ...deps,
    input,
    context: { ...context, signal: controller.signal },
    slots: createSlots(input.parallelism),
    running: new Map(),
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
  /** Steps under way by cache key, so that equal steps of one build run once. */
  readonly running: Map<string, Promise<CachedResult<R>>>;
}

async function evaluate<R>(
  solving: Solving<R>,
  vertex: Vertex,
  inputs: ReadonlyArray<Promise<VertexOutcome<R>>>,
): Promise<VertexOutcome<R>> {
  const ready = await Promise.all(inputs);
  return solving.slots.use(solving.context.signal, async () => {
    const startedMs = Date.now();
    const blocking = ready.find((outcome) => outcome.value === undefined);
    if (blocking !== undefined) return behind(vertex, blocking, startedMs);
    const { emit } = solving.context;
    emit({ kind: 'vertex-started', time: startedMs, vertex: vertex.id });
    try {
      const values = ready.map((outcome) => outcome.value!.result);
      const { verdict, value } = await evaluateReady(solving, vertex, values);
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

async function evaluateReady<R>(solving: Solving<R>, vertex: Vertex, inputs: readonly R[]): Promise<Evaluated<R>> {
  const { runner, context } = solving;
  if (!runner.isCacheable(vertex)) {
    const result = await runner.run(vertex, inputs, context);
    return {
      verdict: { kind: 'source', reason: 'looked at in every build' },
      value: { result, createdMs: Date.now() },
    };
  }
  const { hit, keys } = await lookUp(solving, vertex, inputs);
  if (hit !== undefined) return { verdict: { kind: 'cached', reason: 'found in the cache' }, value: hit };
  const verdict = await explainMiss(solving.cache, vertex, keys);
  if (solving.input.mode === 'plan') return { verdict };
  return { verdict, value: await runOnce(solving, { vertex, inputs, keys }) };
}

interface LookUp<R> {
  readonly hit?: CachedResult<R>;
  /** All keys that were computed, cheapest first. */
  readonly keys: readonly CacheKey[];
}

async function lookUp<R>(solving: Solving<R>, vertex: Vertex, inputs: readonly R[]): Promise<LookUp<R>> {
  const { cache, runner, context } = solving;
  const keys: CacheKey[] = [];
  for await (const key of runner.keys(vertex, inputs, context)) {
    keys.push(key);
    if (vertex.info.ignoreCache) continue;
    const hit = await (solving.running.get(key.key) ?? cache.lookup(key.key));
    if (hit === undefined) continue;
    await cache.save(
      keys.slice(0, -1).map((other) => other.key),
      hit,
    );
    await cache.note(vertex.info.slot, key.inputs);
    return { hit, keys };
  }
  return { keys };
}

interface Run<R> {
  readonly vertex: Vertex;
  readonly inputs: readonly R[];
  readonly keys: readonly CacheKey[];
}

async function runOnce<R>(solving: Solving<R>, { vertex, inputs, keys }: Run<R>): Promise<CachedResult<R>> {
  const names = keys.map((key) => key.key);
  const work = solving.runner
    .run(vertex, inputs, solving.context)
    .then((result) => ({ result, createdMs: Date.now() }));
  for (const name of names) solving.running.set(name, work);
  try {
    const value = await work;
    await solving.cache.save(names, value);
    const last = keys.at(-1);
    if (last !== undefined) await solving.cache.note(vertex.info.slot, last.inputs);
    return value;
  } finally {
    for (const name of names) solving.running.delete(name);
  }
}
