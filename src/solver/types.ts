import type { CacheChange, CacheVerdict, RunContext, TimeMs } from '../core/index.ts';
import type { CacheKey, Graph, Vertex, VertexId } from '../graph/index.ts';
import type { SharedWork } from './shared-work.ts';
import type { Slots } from './slots.ts';

/** Evaluates ops. `R` is what an op evaluates to; the solver never looks inside. */
export interface OpRunner<R> {
  /**
   * What a run of a vertex takes of its request beside what its keys say, such as secrets: only runs that are equal in this
   * stand for one another while they go on. Absent: nothing.
   */
  rightsOf?(vertex: Vertex): string;
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

/** What solves have in common that go on in one process. */
export interface SolverPool<R> {
  /** Steps under way by key: a step that several need is run once. */
  readonly running: SharedWork<CachedResult<R>>;
  /** One limit for all of them; absent: each has its own. */
  readonly slots?: Slots;
  /** Keys of what was run for them, where they are one piece of work: it is not run again even where caching is off. */
  readonly ran?: Set<string>;
}

export interface SolveInput {
  readonly graph: Graph;
  /** Vertices evaluated at once, where the pool has no limit. */
  readonly parallelism: number;
  /** `plan`: nothing is run; steps behind a miss are reported as such. */
  readonly mode: 'run' | 'plan';
}

export type Outcomes<R> = ReadonlyMap<VertexId, VertexOutcome<R>>;
