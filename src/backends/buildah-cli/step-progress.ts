import type { BuildEvent, CacheVerdict, ErrorCode, RunContext } from '../../core/index.ts';
import type { Graph, Vertex, VertexId } from '../../graph/index.ts';
import { announcePlan } from '../request/announce-plan.ts';
import type { StepReport } from '../types.ts';

const TAIL_LINES = 20;
const TAIL_CHARS = 64 << 10;

/** Follows the vertices of a build: tells their begin and end as events, and remembers what the result says of them. */
export interface StepProgress {
  start(id: VertexId): void;
  complete(id: VertexId, verdict: CacheVerdict): void;
  log(id: VertexId, stream: 'stdout' | 'stderr', text: string): void;
  /** The last lines that a vertex printed. */
  tailOf(id: VertexId): readonly string[];
  fail(id: VertexId, error: { readonly code: ErrorCode; readonly message: string }): void;
  reports(): readonly StepReport[];
}

interface Known {
  readonly startedMs: number;
  readonly durationMs?: number;
  readonly verdict?: CacheVerdict;
}

/** Announces the plan, and follows it. */
export function createStepProgress(graph: Graph, context: RunContext): StepProgress {
  const { emit } = context;
  const known = new Map<VertexId, Known>();
  const tails = new Map<VertexId, string>();
  announcePlan(graph, context);
  const start = (id: VertexId): Known => {
    const before = known.get(id);
    if (before !== undefined) return before;
    const now = { startedMs: Date.now() };
    known.set(id, now);
    emit({ kind: 'vertex-started', time: now.startedMs, vertex: id });
    return now;
  };
  return {
    start,
    complete: (id, verdict) => {
      const { startedMs, durationMs: done } = start(id);
      if (done !== undefined) return;
      const time = Date.now();
      const durationMs = time - startedMs;
      known.set(id, { startedMs, durationMs, verdict });
      emit({ kind: 'vertex-completed', time, vertex: id, durationMs, verdict });
    },
    log: (id, stream, text) => {
      tails.set(id, ((tails.get(id) ?? '') + text).slice(-TAIL_CHARS));
      emit({ kind: 'log', time: Date.now(), vertex: id, stream, text });
    },
    tailOf: (id) => linesOf(tails.get(id) ?? '').slice(-TAIL_LINES),
    fail: (id, { code, message }) => {
      const { startedMs } = start(id);
      emit(failedEvent(id, { startedMs, code, message }));
    },
    reports: () => graph.vertices.map((vertex) => toReport(vertex, known.get(vertex.id))),
  };
}

function failedEvent(
  vertex: VertexId,
  failure: { readonly startedMs: number; readonly code: ErrorCode; readonly message: string },
): Extract<BuildEvent, { readonly kind: 'vertex-failed' }> {
  const time = Date.now();
  const { startedMs, code, message } = failure;
  return { kind: 'vertex-failed', time, vertex, durationMs: time - startedMs, code, message };
}

function linesOf(text: string): readonly string[] {
  const lines = text.replace(/\n$/, '').split('\n');
  return lines.length === 1 && lines[0] === '' ? [] : lines;
}

function toReport({ id, info }: Vertex, known: Known | undefined): StepReport {
  const { name, stage } = info;
  return {
    vertex: id,
    name,
    ...(stage === undefined ? {} : { stage }),
    verdict: known?.verdict ?? { kind: 'unknown', reason: 'buildah did not tell.' },
    ...(known === undefined ? {} : { startedMs: known.startedMs }),
    ...(known?.durationMs === undefined ? {} : { durationMs: known.durationMs }),
  };
}
