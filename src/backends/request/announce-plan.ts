import type { RunContext, VertexInfo } from '../../core/index.ts';
import type { Graph, Vertex } from '../../graph/index.ts';

/** Tells of all the steps of a build, in the order of the Dockerfile. */
export function announcePlan(graph: Graph, { emit }: RunContext): void {
  emit({ kind: 'build-planned', time: Date.now(), vertices: graph.vertices.map(describe) });
}

function describe({ id, inputs, info }: Vertex, index: number): VertexInfo {
  const { name, stage, location } = info;
  return {
    id,
    name,
    inputs,
    number: index + 1,
    ...(stage === undefined ? {} : { stage }),
    ...(location === undefined ? {} : { location }),
  };
}
