import type { BuildEvent, SourceLocation, VertexInfo } from '../../core/index.ts';
import type { Dockerfile } from '../../dockerfile/index.ts';
import type { BuildEventSchema, MessageInput } from '../../rpc/index.ts';
import { createStepIndex, type StepPlace } from './step-index.ts';

/** An event of the protocol. */
export type WireEvent = NonNullable<MessageInput<typeof BuildEventSchema>['event']>;

/** Turns the typed events of one build into those of the protocol. */
export interface EventTranslator {
  /**
   * The events of the first protocol that an event means, then the event itself in full. Lines of a step's output come
   * whole, in their order, between the start and the end of its instruction.
   */
  translate(event: BuildEvent): readonly WireEvent[];
  /** What was printed without a line end, at the end of a build. */
  flush(): readonly WireEvent[];
}

interface Vertex {
  readonly place: StepPlace | undefined;
  /** Output without a line end yet, by stream. */
  readonly open: { stdout: string; stderr: string };
}

interface Progress {
  /** Vertices that have not ended. */
  left: number;
  hasStarted: boolean;
  allCached: boolean;
}

/** A step that never ends its line is shown in parts of this size. */
const MAX_LINE = 16_384;

export function createEventTranslator(file: Dockerfile): EventTranslator {
  const placeOf = createStepIndex(file);
  const vertices = new Map<string, Vertex>();
  const stages = new Map<number, Progress>();
  const instructions = new Map<string, Progress>();

  const plan = (infos: readonly VertexInfo[]): void => {
    for (const info of infos) {
      if (vertices.has(info.id)) continue;
      const place = placeOf(info);
      vertices.set(info.id, { place, open: { stdout: '', stderr: '' } });
      if (place === undefined) continue;
      count(stages, place.stage.index);
      if (place.index !== undefined) count(instructions, keyOf(place));
    }
  };
  const started = (id: string): readonly WireEvent[] => {
    const place = vertices.get(id)?.place;
    return place === undefined ? [] : [...startStage(stages, place), ...startInstruction(instructions, place)];
  };
  const ended = (id: string, cached: boolean): readonly WireEvent[] => {
    const vertex = vertices.get(id);
    if (vertex === undefined) return [];
    const lines = flushVertex(vertex);
    const { place } = vertex;
    if (place === undefined) return lines;
    // A cached step never starts.
    const begins = started(id);
    return [...begins, ...lines, ...endInstruction(instructions, place, cached), ...endStage(stages, place)];
  };
  const derived = (event: BuildEvent): readonly WireEvent[] => {
    switch (event.kind) {
      case 'build-planned':
        plan(event.vertices);
        return [];
      case 'vertex-started':
        return started(event.vertex);
      case 'vertex-completed':
        return ended(event.vertex, event.verdict.kind === 'cached');
      case 'vertex-failed':
        return flushVertex(vertices.get(event.vertex));
      case 'log':
        return linesOf(vertices, event);
      case 'warning':
        return [{ case: 'warning', value: { message: event.message } }];
      default:
        return [];
    }
  };
  return {
    translate: (event) => [...derived(event), { case: 'progress', value: { eventJson: toJson(event) } }],
    flush: () => [...vertices.values()].flatMap(flushVertex),
  };
}

function count<K>(counts: Map<K, Progress>, key: K): void {
  const progress = counts.get(key) ?? { left: 0, hasStarted: false, allCached: true };
  progress.left += 1;
  counts.set(key, progress);
}

function keyOf({ stage, index }: StepPlace): string {
  return `${stage.index}/${index}`;
}

function startStage(stages: ReadonlyMap<number, Progress>, { stage }: StepPlace): readonly WireEvent[] {
  const progress = stages.get(stage.index);
  if (progress === undefined || progress.hasStarted) return [];
  progress.hasStarted = true;
  const { index, from } = stage;
  return [{ case: 'stageStarted', value: { index, name: stage.name ?? '', baseImage: from.image } }];
}

function startInstruction(instructions: ReadonlyMap<string, Progress>, place: StepPlace): readonly WireEvent[] {
  const progress = instructions.get(keyOf(place));
  if (progress === undefined || progress.hasStarted) return [];
  progress.hasStarted = true;
  const { stage, index = 0, instruction } = place;
  const text = instruction?.text ?? '';
  return [{ case: 'instructionStarted', value: { stage: stage.index, index, instruction: text } }];
}

function endInstruction(
  instructions: ReadonlyMap<string, Progress>,
  place: StepPlace,
  cached: boolean,
): readonly WireEvent[] {
  const progress = instructions.get(keyOf(place));
  if (progress === undefined) return [];
  progress.allCached &&= cached;
  progress.left -= 1;
  if (progress.left > 0) return [];
  const { stage, index = 0 } = place;
  return [{ case: 'instructionFinished', value: { stage: stage.index, index, cached: progress.allCached } }];
}

function endStage(stages: ReadonlyMap<number, Progress>, { stage }: StepPlace): readonly WireEvent[] {
  const progress = stages.get(stage.index);
  if (progress === undefined) return [];
  progress.left -= 1;
  return progress.left > 0 ? [] : [{ case: 'stageFinished', value: { index: stage.index } }];
}

function linesOf(
  vertices: ReadonlyMap<string, Vertex>,
  { vertex: id, stream, text }: Extract<BuildEvent, { kind: 'log' }>,
): readonly WireEvent[] {
  const open = vertices.get(id)?.open;
  if (open === undefined) return toLines(text).map((line) => toLog(line, stream));
  const lines = `${open[stream]}${text}`.split('\n');
  open[stream] = lines.pop() ?? '';
  if (open[stream].length > MAX_LINE) {
    lines.push(open[stream]);
    open[stream] = '';
  }
  return lines.map((line) => toLog(line, stream));
}

function toLines(text: string): readonly string[] {
  return text.replace(/\n$/, '').split('\n');
}

function toLog(line: string, stream: 'stdout' | 'stderr'): WireEvent {
  return { case: 'log', value: { line: line.replace(/\r$/, ''), isStderr: stream === 'stderr' } };
}

function flushVertex(vertex: Vertex | undefined): readonly WireEvent[] {
  if (vertex === undefined) return [];
  const { open } = vertex;
  const streams = (['stdout', 'stderr'] as const).filter((stream) => open[stream] !== '');
  const events = streams.map((stream) => toLog(open[stream], stream));
  open.stdout = '';
  open.stderr = '';
  return events;
}

/** As a line of `--progress=rawjson`: a location without the text of its file. */
function toJson(event: BuildEvent): Uint8Array {
  return Buffer.from(JSON.stringify(event, withoutText));
}

function withoutText(key: string, value: unknown): unknown {
  if (key !== 'location' || value === undefined || value === null) return value;
  const { fileName, range } = value as SourceLocation;
  return { fileName, range };
}
