import { BuildError } from '../../core/index.ts';
import { type ResolvedBase, type StageEnd, type Vertex, vertexIdOf } from '../../graph/index.ts';
import type { BuildRequest } from '../types.ts';
import type { LoweredRequest } from './lower-request.ts';

/**
 * The image with one layer for all that the build adds to its base, or to a stage that it stands on. As docker's `--squash`,
 * the history keeps its entries, without layers now, and one more stands for what they add up to.
 *
 * @throws BuildError `STAGE_NOT_FOUND` where the image does not stand on the stage.
 */
export function squashTarget<B extends ResolvedBase>(
  lowered: LoweredRequest<B>,
  squash: Exclude<BuildRequest['squash'], false | undefined>,
): LoweredRequest<B> {
  const { state, graph, target } = lowered;
  const end = squash === true ? undefined : findStage(lowered.ancestors, squash.since);
  const kept = end?.historyLength ?? 0;
  const hasLayer = state.history.map(({ vertex }, index) => vertex !== undefined && index >= kept);
  if (!hasLayer.includes(true)) return lowered;
  // Each entry of a step stands for exactly one layer.
  const stepsKept = state.history.slice(0, kept).filter(({ vertex }) => vertex !== undefined).length;
  const keep = state.base.rootfs.diff_ids.length + stepsKept;
  const op = { kind: 'squash', base: 0, keep } as const;
  const id = vertexIdOf(op, [target]);
  const { info } = graph.vertices.find((vertex) => vertex.id === target)!;
  const { location: _location, parts: _parts, ...place } = info;
  const what = describe(end, keep);
  const vertex: Vertex = {
    id,
    op,
    inputs: [target],
    info: { ...place, name: `[squash] ${what}`, slot: `${info.slot}\nsquash` },
  };
  const history = state.history.map((planned, index) =>
    hasLayer[index] === true ? { ...planned, entry: { ...planned.entry, empty_layer: true } } : planned,
  );
  return {
    ...lowered,
    graph: Object.freeze({ vertices: [...graph.vertices, vertex] }),
    target: id,
    state: { ...state, root: id, history: [...history, { entry: { comment: `merge of ${what}` }, vertex: id }] },
  };
}

function findStage(ancestors: readonly StageEnd[], since: string): StageEnd {
  const wanted = since.toLowerCase();
  const found = ancestors.find(({ name, index }) => name === wanted || String(index) === wanted);
  if (found !== undefined) return found;
  const names = ancestors.map(nameOf);
  throw new BuildError(
    'STAGE_NOT_FOUND',
    `Layers cannot be squashed since "${since}": the image stands on no such stage.`,
    {
      hint:
        names.length === 0
          ? 'Its stage begins with FROM an image: squash from that base, or write FROM a stage of the file.'
          : `It stands on ${names.join(', ')}.`,
    },
  );
}

function describe(end: StageEnd | undefined, keep: number): string {
  if (end !== undefined) return `all layers since the stage ${nameOf(end)}`;
  return keep === 0 ? 'all layers' : 'all layers above the base';
}

function nameOf({ name, index }: StageEnd): string {
  return name ?? String(index);
}
