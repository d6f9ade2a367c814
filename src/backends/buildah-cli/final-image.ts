import { BuildError, type Digest } from '../../core/index.ts';
import type { Graph, Vertex, VertexId } from '../../graph/index.ts';
import type { ImageConfig, LayerRef } from '../../oci/index.ts';
import { annotationsAt } from '../request/annotations.ts';
import { type AssembledImage, assembleImage } from '../request/assemble-image.ts';
import type { LoweredRequest } from '../request/lower-request.ts';
import type { BuildRequest } from '../types.ts';
import type { BuildahBase } from './resolve-base.ts';
import type { StoredImage } from './stored-image.ts';

export interface FinalInput {
  readonly lowered: LoweredRequest<BuildahBase>;
  /** What buildah made: its layers count, its documents do not. */
  readonly built: Pick<StoredImage, 'config' | 'manifest'>;
  readonly request: BuildRequest;
  /** Time of the build, or SOURCE_DATE_EPOCH. */
  readonly clockMs: number;
  readonly fixedClock: boolean;
}

/** An image as it is named: what the Dockerfile says, over the layers that buildah made. */
export interface FinalImage extends AssembledImage {
  readonly layers: readonly LayerRef[];
}

/** Puts config, history and manifest together, the same for all backends that build from the graph. */
export function finalImage(input: FinalInput): FinalImage {
  const { lowered, built, request } = input;
  const layers = layersOf(built);
  const image = assembleImage({
    state: lowered.state,
    layers,
    createdMs: createdTimes(lowered, built.config),
    clockMs: input.clockMs,
    fixedClock: input.fixedClock,
    annotations: annotationsAt(request, 'manifest', lowered.platform),
    format: request.format ?? 'oci',
  });
  return { ...image, layers };
}

function layersOf({ config, manifest }: Pick<StoredImage, 'config' | 'manifest'>): readonly LayerRef[] {
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw new BuildError(
      'BACKEND_FAILED',
      `buildah made an image of ${manifest.layers.length} layers that tells of ${diffIds.length}.`,
    );
  }
  return manifest.layers.map((blob, index): LayerRef => ({ diffId: diffIds[index]!, blob }));
}

/** When buildah made each layer: a step from its cache keeps the time of the build that ran it. */
function createdTimes(
  { graph, target }: LoweredRequest<BuildahBase>,
  config: ImageConfig,
): ReadonlyMap<Digest, number> {
  const entries = (config.history ?? []).filter((entry) => entry.empty_layer !== true);
  const chain = chainOf(graph, target);
  const own = entries.slice(Math.max(0, entries.length - chain.length));
  return new Map(
    chain.flatMap((vertex, index): Array<[Digest, number]> => {
      const created = own[index]?.created;
      return created === undefined ? [] : [[vertex, Date.parse(created)]];
    }),
  );
}

/** The vertices that made the layers of a state, lowest first; those of its base image are not among them. */
export function chainOf(graph: Graph, target: VertexId): readonly VertexId[] {
  const vertices = new Map(graph.vertices.map((vertex) => [vertex.id, vertex]));
  const chain: VertexId[] = [];
  for (let id: VertexId | undefined = target; id !== undefined; ) {
    const { op, inputs }: Vertex = vertices.get(id)!;
    if (op.kind === 'merge') {
      chain.unshift(inputs[1]!);
      id = inputs[0];
    } else if ((op.kind === 'copy' || op.kind === 'mkdir' || op.kind === 'exec') && op.base !== undefined) {
      chain.unshift(id);
      id = inputs[op.base];
    } else {
      id = undefined;
    }
  }
  return chain;
}
