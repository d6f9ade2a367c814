import type { Digest } from '../../core/index.ts';
import type { Graph, Vertex, VertexId } from '../../graph/index.ts';
import type { ImageConfig, LayerRef } from '../../oci/index.ts';
import { annotationsAt } from '../request/annotations.ts';
import { type AssembledImage, assembleImage } from '../request/assemble-image.ts';
import type { LoweredRequest } from '../request/lower-request.ts';
import type { BuildRequest } from '../types.ts';
import type { StoredImage } from './image-memory.ts';
import { baseOf } from './plan-stages.ts';
import type { BuildahBase } from './resolve-base.ts';

export interface FinalInput {
  readonly lowered: LoweredRequest<BuildahBase>;
  /** What buildah made; its documents count no more. */
  readonly built: Pick<StoredImage, 'config'>;
  /** What the image consists of. */
  readonly layers: readonly LayerRef[];
  readonly request: BuildRequest;
  /** Time of the build, or SOURCE_DATE_EPOCH. */
  readonly clockMs: number;
  readonly fixedClock: boolean;
}

/** Puts config, history and manifest together, the same for all backends that build from the graph. */
export function finalImage(input: FinalInput): AssembledImage {
  const { lowered, built, layers, request } = input;
  return assembleImage({
    state: lowered.state,
    layers,
    createdMs: createdTimes(lowered, built.config),
    clockMs: input.clockMs,
    fixedClock: input.fixedClock,
    annotations: annotationsAt(request, 'manifest', lowered.platform),
    format: request.format ?? 'oci',
  });
}

/** When buildah made each layer: a step from its cache keeps the time of the build that ran it, as does what sums them up. */
function createdTimes(
  { graph, target }: LoweredRequest<BuildahBase>,
  config: ImageConfig,
): ReadonlyMap<Digest, number> {
  const entries = (config.history ?? []).filter((entry) => entry.empty_layer !== true);
  const chain = chainOf(graph, target);
  const own = entries.slice(Math.max(0, entries.length - chain.length));
  const times = new Map(
    chain.flatMap(({ id }, index): Array<[Digest, number]> => {
      const created = own[index]?.created;
      return created === undefined ? [] : [[id, Date.parse(created)]];
    }),
  );
  return times.size === 0 ? times : new Map([...times, [target, Math.max(...times.values())]]);
}

/** The vertices that made the layers of a state, lowest first; those of its base image are not among them. */
export function chainOf(graph: Graph, target: VertexId): readonly Vertex[] {
  const vertices = new Map(graph.vertices.map((vertex) => [vertex.id, vertex]));
  const chain: Vertex[] = [];
  for (let vertex = vertices.get(target); vertex !== undefined; ) {
    if (vertex.op.kind === 'merge') chain.unshift(vertices.get(vertex.inputs[1]!)!);
    else if (vertex.op.kind !== 'squash' && baseOf(vertex) !== undefined) chain.unshift(vertex);
    const base = baseOf(vertex);
    vertex = base === undefined ? undefined : vertices.get(base);
  }
  return chain;
}
