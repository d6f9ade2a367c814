import type { CacheChange, CacheVerdict, RunContext, TimeMs } from '../core/index.ts';
import type { CacheKey, Graph, Vertex, VertexId } from '../graph/index.ts';

/** Evaluates ops. `R` is what an op evaluates to; the solver never looks inside. */
export interface OpRunner<R> {
  /** Whether results are kept between builds. Sources are not: they are evaluated anew, and cheap. */
  isCacheable(vertex: Vertex): boolean;
  /** The keys under which a result may be found, cheapest first; `run` results are kept under all that were asked for. */
  keys(vertex: Vertex, inputs: readonly R[], context: RunContext): AsyncIterable<CacheKey>;
  /** Makes the result. Called at most once per vertex. */
  run(vertex: Vertex, inputs: readonly R[], context: RunContext): Promise<R>;
}

/** Results of earlier builds. */
export interface ResultCache<R> {
  /** A result that is whole and usable now; a damaged one counts as absent. */
  lookup(key: string): Promise<CachedResult<R> | undefined>;
  save(keys: readonly string[], result: CachedResult<R>): Promise<void>;
  /** What differs from the last inputs that were noted for a slot; undefined when there are none. */
  explain(slot: string, inputs: CacheKey['inputs']): Promise<readonly CacheChange[] | undefined>;
  note(slot: string, inputs: CacheKey['inputs']): Promise<void>;
}

export interface CachedResult<R> {
  readonly result: R;
  /** When the step really ran. */
  readonly createdMs: TimeMs;
}

/** How one vertex came out. In a plan, `value` is absent where a run would be needed. */
export interface VertexOutcome<R> {
  readonly vertex: Vertex;
  readonly verdict: CacheVerdict;
  readonly value?: CachedResult<R>;
  readonly startedMs: TimeMs;
  readonly durationMs: number;
}

export interface SolveInput {
  readonly graph: Graph;
  /** Vertices evaluated at once. */
  readonly parallelism: number;
  /** `plan`: nothing is run; steps behind a miss are reported as such. */
  readonly mode: 'run' | 'plan';
}

export type Outcomes<R> = ReadonlyMap<VertexId, VertexOutcome<R>>;
