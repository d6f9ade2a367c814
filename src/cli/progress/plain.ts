import type { BuildEvent, CacheVerdict, TimeMs, VertexInfo } from '../../core/index.ts';
import type { TextOutput } from '../command.ts';
import { sanitizeLine, sanitizeText } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';
import { formatSize } from '../terminal/units.ts';
import { createLineSplitter, type LineSplitter } from './line-splitter.ts';
import type { Progress } from './progress.ts';
import { stepTitle } from './step-title.ts';
import { formatWarnings } from './warning-list.ts';

type Transfer = Extract<BuildEvent, { kind: 'transfer' }>;
type Warning = Extract<BuildEvent, { kind: 'warning' }>;

interface Step {
  readonly number: number;
  readonly name: string;
  startedMs: TimeMs;
  /** Runs while the step is at work and was not named yet. */
  naming: NodeJS.Timeout | undefined;
  readonly splitters: Record<'stdout' | 'stderr', LineSplitter>;
}

/** A transfer is mentioned when it has run so long, then this often, and at its end. */
const FIRST_TRANSFER_MS = 1000;
const TRANSFER_INTERVAL_MS = 5000;
/** A step that is silent for so long is named; before, most are over, and need no line of their own among others. */
const SILENCE_MS = 200;

/**
 * Progress for logs and CI: every line says which step it belongs to, nothing is overwritten, nothing is cut off.
 * When steps run at once, a change from one to another is marked by an empty line and the step's name.
 */
export function createPlainProgress(output: TextOutput, style: Style): Progress {
  const steps = new Map<string, Step>();
  const warnings: Warning[] = [];
  const transfersDueMs = new Map<string, TimeMs>();
  let shown: Step | undefined;
  let closed = false;

  const show = (step: Step, line: string): void => {
    clearTimeout(step.naming);
    if (shown !== step) {
      output.write(`${shown === undefined ? '' : '\n'}#${step.number} ${step.name}\n`);
      shown = step;
    }
    if (line !== '') output.write(`#${step.number} ${line}\n`);
  };
  const finish = (event: { vertex: string; time: TimeMs }, lines: readonly string[]): void => {
    const step = stepOf(steps, event.vertex);
    const rest = [...step.splitters.stdout.flush(), ...step.splitters.stderr.flush()];
    for (const line of [...rest.map((text) => logLine(step, event.time, text)), ...lines]) show(step, line);
  };
  const onTransfer = (event: Transfer): void => {
    const dueMs = transfersDueMs.get(event.id) ?? event.time + FIRST_TRANSFER_MS;
    const isDue = event.done || event.time >= dueMs;
    transfersDueMs.set(event.id, isDue ? event.time + TRANSFER_INTERVAL_MS : dueMs);
    if (!isDue) return;
    const line = transferLine(event);
    if (event.vertex !== undefined) show(stepOf(steps, event.vertex), line);
    else {
      output.write(`${shown === undefined ? '' : '\n'}${line}\n`);
      shown = undefined;
    }
  };
  const onEvent = (event: BuildEvent): void => {
    switch (event.kind) {
      case 'build-planned':
        for (const vertex of event.vertices) steps.set(vertex.id, steps.get(vertex.id) ?? newStep(vertex));
        break;
      case 'vertex-started': {
        const step = stepOf(steps, event.vertex);
        step.startedMs = event.time;
        step.naming = setTimeout(() => show(step, ''), SILENCE_MS);
        step.naming.unref();
        break;
      }
      case 'log': {
        const step = stepOf(steps, event.vertex);
        for (const line of step.splitters[event.stream].push(event.text)) show(step, logLine(step, event.time, line));
        break;
      }
      case 'vertex-completed':
        finish(event, completionLines(event.verdict, event.durationMs, style));
        break;
      case 'vertex-failed':
        finish(
          event,
          sanitizeText(event.message)
            .split('\n')
            .map((line) => style.red(`ERROR: ${line}`)),
        );
        break;
      case 'transfer':
        onTransfer(event);
        break;
      case 'warning':
        warnings.push(event);
        break;
      default:
        break;
    }
  };
  const close = (): void => {
    if (closed) return;
    closed = true;
    for (const { naming } of steps.values()) clearTimeout(naming);
    const lines = formatWarnings(warnings, style);
    const text = lines.map((line) => `${line}\n`).join('');
    if (shown !== undefined || transfersDueMs.size > 0) output.write('\n');
    if (text !== '') output.write(`${text}\n`);
  };
  return { onEvent, showsWholeOutput: true, close };
}

function newStep(vertex: Pick<VertexInfo, 'number' | 'name'>): Step {
  return {
    number: vertex.number,
    name: stepTitle(vertex.name),
    startedMs: 0,
    naming: undefined,
    splitters: { stdout: createLineSplitter(), stderr: createLineSplitter() },
  };
}

/** Events of a vertex that no plan announced are shown under its id rather than lost. */
function stepOf(steps: Map<string, Step>, vertex: string): Step {
  const known = steps.get(vertex);
  if (known !== undefined) return known;
  const step = newStep({ number: steps.size + 1, name: vertex });
  steps.set(vertex, step);
  return step;
}

function logLine(step: Step, time: TimeMs, text: string): string {
  return `${(Math.max(0, time - step.startedMs) / 1000).toFixed(3)} ${text}`;
}

function completionLines(verdict: CacheVerdict, durationMs: number, style: Style): readonly string[] {
  if (verdict.kind === 'cached') return [style.cyan('CACHED')];
  const changed = (verdict.changes ?? []).map(({ input }) => sanitizeLine(input));
  const why = changed.length === 0 ? [] : [style.dim(`not cached, changed: ${changed.join(', ')}`)];
  return [...why, style.green(`DONE ${(durationMs / 1000).toFixed(1)}s`)];
}

const TRANSFER_VERBS = { pull: 'pulling', push: 'pushing', download: 'downloading', export: 'exporting' } as const;

function transferLine(event: Transfer): string {
  const total = event.totalBytes === undefined ? '' : ` / ${formatSize(event.totalBytes)}`;
  const amount = event.done ? `${formatSize(event.currentBytes)} done` : `${formatSize(event.currentBytes)}${total}`;
  return `${TRANSFER_VERBS[event.direction]} ${sanitizeLine(event.name)} ${amount}`;
}
