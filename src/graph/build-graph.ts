import { type Digest, digestOf } from '../core/index.ts';
import type { Graph, Op, Vertex, VertexDescription, VertexId } from './ops.ts';

/** Collects vertices into a graph. Adding the same op on the same inputs again gives the id of the first. */
export interface GraphBuilder {
  add(op: Op, inputs: readonly VertexId[], info: VertexDescription): VertexId;
  /** The vertices that `targets` need, frozen. */
  build(targets: readonly VertexId[]): Graph;
}

export function createGraphBuilder(): GraphBuilder {
  const vertices = new Map<VertexId, Vertex>();
  return {
    add(op, inputs, info) {
      const id = vertexIdOf(op, inputs);
      const known = vertices.get(id);
      if (known === undefined) vertices.set(id, Object.freeze({ id, op, inputs, info }));
      else if (info.ignoreCache && !known.info.ignoreCache) {
        vertices.set(id, Object.freeze({ ...known, info: { ...known.info, ignoreCache: true } }));
      }
      return id;
    },
    build(targets) {
      const needed = new Set<VertexId>();
      const visit = (id: VertexId): void => {
        if (needed.has(id)) return;
        needed.add(id);
        for (const input of vertices.get(id)!.inputs) visit(input);
      };
      for (const target of targets) visit(target);
      // Inputs are added before the vertices that use them, so insertion order is topological.
      return Object.freeze({ vertices: [...vertices.values()].filter((vertex) => needed.has(vertex.id)) });
    },
  };
}

/** The identity of a vertex: digest of the op's canonical JSON and of the inputs' ids. */
export function vertexIdOf(op: Op, inputs: readonly VertexId[]): VertexId {
  return digestOf(canonicalJson([op, inputs]));
}

/** The digest of a whole graph's definition: equal for equal work. */
export function digestOfGraph(graph: Graph): Digest {
  return digestOf(canonicalJson(graph.vertices.map((vertex) => vertex.id).sort()));
}

/** JSON with object keys sorted and undefined members dropped: one text per value. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    member !== null && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : member,
  );
}
