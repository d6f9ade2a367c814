import type { BuildEvent, CacheVerdict, TimeMs, VertexInfo } from '../../core/index.ts';
import { sanitizeLine } from '../terminal/sanitize.ts';
import { createLineSplitter, type LineSplitter } from './line-splitter.ts';
import { stepTitle } from './step-title.ts';

/** A step as a display sees it. */
export interface StepView {
  readonly id: string;
  readonly number: number;
  readonly name: string;
  state: 'waiting' | 'running' | 'done' | 'failed';
  startedMs: TimeMs;
  durationMs: number;
  verdict: CacheVerdict | undefined;
  /** Last lines of the output, oldest first. */
  readonly tail: string[];
  readonly splitters: Record<'stdout' | 'stderr', LineSplitter>;
}

/** A transfer as a display sees it. */
export interface TransferView {
  readonly id: string;
  readonly direction: 'pull' | 'push' | 'download' | 'export';
  readonly name: string;
  readonly vertex: string | undefined;
  readonly startedMs: TimeMs;
  currentBytes: number;
  totalBytes: number | undefined;
}

/** What is known of a running build. `onEvent` changes it in place: it is the display's own copy. */
export interface BuildView {
  readonly steps: Map<string, StepView>;
  readonly transfers: Map<string, TransferView>;
  readonly warnings: Array<Extract<BuildEvent, { kind: 'warning' }>>;
  fileName: string | undefined;
  startedMs: TimeMs | undefined;
  /** Steps and transfers that ended and were not yet taken by the display. */
  readonly ended: Array<StepView | TransferView>;
  onEvent(event: BuildEvent): void;
}

const TAIL_LINES = 8;

export function createBuildView(): BuildView {
  const view: BuildView = {
    steps: new Map(),
    transfers: new Map(),
    warnings: [],
    fileName: undefined,
    startedMs: undefined,
    ended: [],
    onEvent: (event) => applyEvent(view, event),
  };
  return view;
}

function applyEvent(view: BuildView, event: BuildEvent): void {
  view.startedMs ??= event.time;
  switch (event.kind) {
    case 'build-started':
      view.fileName = sanitizeLine(event.fileName);
      break;
    case 'build-planned':
      for (const vertex of event.vertices) {
        if (!view.steps.has(vertex.id)) view.steps.set(vertex.id, newStep(vertex));
      }
      break;
    case 'vertex-started': {
      const step = stepOf(view, event.vertex);
      step.state = 'running';
      step.startedMs = event.time;
      break;
    }
    case 'log': {
      const step = stepOf(view, event.vertex);
      step.tail.push(...step.splitters[event.stream].push(event.text).filter((line) => line.trim() !== ''));
      step.tail.splice(0, Math.max(0, step.tail.length - TAIL_LINES));
      break;
    }
    case 'vertex-completed':
    case 'vertex-failed': {
      const step = stepOf(view, event.vertex);
      step.state = event.kind === 'vertex-completed' ? 'done' : 'failed';
      step.durationMs = event.durationMs;
      step.verdict = event.kind === 'vertex-completed' ? event.verdict : undefined;
      view.ended.push(step);
      break;
    }
    case 'transfer':
      applyTransfer(view, event);
      break;
    case 'warning':
      view.warnings.push(event);
      break;
    default:
      break;
  }
}

function applyTransfer(view: BuildView, event: Extract<BuildEvent, { kind: 'transfer' }>): void {
  const transfer: TransferView = view.transfers.get(event.id) ?? {
    id: event.id,
    direction: event.direction,
    name: sanitizeLine(event.name),
    vertex: event.vertex,
    startedMs: event.time,
    currentBytes: 0,
    totalBytes: undefined,
  };
  transfer.currentBytes = event.currentBytes;
  transfer.totalBytes = event.totalBytes ?? transfer.totalBytes;
  if (!event.done) {
    view.transfers.set(event.id, transfer);
    return;
  }
  view.transfers.delete(event.id);
  // A step's own transfers are part of the step; the others would leave no trace.
  if (event.vertex === undefined) view.ended.push(transfer);
}

function stepOf(view: BuildView, vertex: string): StepView {
  const known = view.steps.get(vertex);
  if (known !== undefined) return known;
  const step = newStep({ id: vertex, number: view.steps.size + 1, name: vertex });
  view.steps.set(vertex, step);
  return step;
}

function newStep({ id, number, name }: Pick<VertexInfo, 'id' | 'number' | 'name'>): StepView {
  return {
    id,
    number,
    name: stepTitle(name),
    state: 'waiting',
    startedMs: 0,
    durationMs: 0,
    verdict: undefined,
    tail: [],
    splitters: { stdout: createLineSplitter(), stderr: createLineSplitter() },
  };
}
