import { digestOf } from '../../core/index.ts';
import type { Graph, Op, Vertex, VertexId } from '../../graph/index.ts';

/** A vertex in few words: its id is its name. */
export interface Node {
  readonly id: string;
  readonly op: unknown;
  readonly inputs?: readonly string[];
  readonly ignoreCache?: boolean;
}

export function graphOf(nodes: readonly Node[]): Graph {
  return {
    vertices: nodes.map(
      ({ id, op, inputs = [], ignoreCache = false }): Vertex => ({
        id: id as VertexId,
        op: op as Op,
        inputs: inputs as readonly VertexId[],
        info: { name: id, slot: id, ignoreCache },
      }),
    ),
  };
}

export const IMAGE = { kind: 'image', reference: 'r', manifest: digestOf('m'), diffIds: [] };

export const SCRATCH = { kind: 'scratch' };

export function run(script: string, more: object = {}): object {
  return {
    kind: 'exec',
    base: 0,
    args: ['/bin/sh', '-c', script],
    env: ['PATH=/bin', 'A=$x "y"'],
    proxyEnv: [],
    cwd: '/work dir',
    mounts: [],
    network: 'default',
    security: 'sandbox',
    hostname: 'h',
    extraHosts: [],
    ulimits: [],
    platform: 'linux/amd64',
    ...more,
  };
}

/** Copies `/out` of the second input. */
export function copy(more: object = {}): object {
  const sources = [{ kind: 'input', input: 1, path: '/out' }];
  return { kind: 'copy', base: 0, sources, destination: '/', parents: false, exclude: [], ...more };
}
