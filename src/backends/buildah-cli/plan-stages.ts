import { canonicalJson, type ExecOp, type Graph, type Vertex, type VertexId } from '../../graph/index.ts';

/** What buildah knows for a whole call alone: steps that differ in it are built by different calls. */
export interface Surroundings {
  readonly network: 'host' | 'none';
  /** All capabilities, and no filter of system calls. */
  readonly insecure: boolean;
  /** `NAME=value` with line ends in the value, which no instruction can hold. */
  readonly multiline: readonly string[];
}

/** A chain of steps, each on top of the one before, that one call of buildah builds. */
export interface StagePlan {
  /** What it makes: the vertex of its last step. */
  readonly end: VertexId;
  /** What it begins with: an image, or the end of another stage; undefined for nothing. */
  readonly base: VertexId | undefined;
  /** In order; none where others take from an empty file system. */
  readonly steps: readonly Vertex[];
  readonly surroundings: Surroundings;
  /** Stages that must be there first, by their ends. */
  readonly needs: ReadonlySet<VertexId>;
}

const PLAIN: Surroundings = { network: 'host', insecure: false, multiline: [] };

interface Draft {
  end: VertexId;
  readonly base: VertexId | undefined;
  readonly steps: Vertex[];
  surroundings: Surroundings | undefined;
}

/** Whether a vertex is a root file system, which buildah has, and not files from elsewhere. */
export function isState({ op }: Vertex): boolean {
  return !['local', 'http', 'git'].includes(op.kind);
}

/**
 * Divides a graph into stages: one ends where others take from it, where it is an image of its own, and where the next step
 * needs other surroundings. In an order in which each comes after those that it needs.
 */
export function planStages(graph: Graph, targets: readonly VertexId[]): readonly StagePlan[] {
  const vertices = new Map(graph.vertices.map((vertex) => [vertex.id, vertex]));
  const { ends, lenders } = findEnds(graph, targets);
  const open = new Map<VertexId, Draft>();
  const drafts: Draft[] = [];
  const begin = (base: VertexId | undefined): Draft => {
    const draft: Draft = { end: base ?? ('' as VertexId), base, steps: [], surroundings: undefined };
    drafts.push(draft);
    return draft;
  };
  for (const vertex of graph.vertices) {
    const { id, op } = vertex;
    if (op.kind === 'scratch' && lenders.has(id)) begin(undefined).end = id;
    const base = baseOf(vertex);
    if (base === undefined || op.kind === 'squash') continue;
    const wanted = op.kind === 'exec' ? surroundingsOf(op) : undefined;
    const before = ends.has(base) ? undefined : open.get(base);
    const isFit = before !== undefined && (!wanted || !before.surroundings || isEqual(wanted, before.surroundings));
    const draft = isFit ? before : begin(vertices.get(base)!.op.kind === 'scratch' ? undefined : base);
    draft.steps.push(vertex);
    draft.end = id;
    draft.surroundings ??= wanted;
    open.set(id, draft);
  }
  const made = new Set(drafts.map(({ end }) => end));
  return drafts.map(({ surroundings = PLAIN, ...draft }) => ({
    ...draft,
    surroundings,
    needs: needsOf(draft, { vertices, made }),
  }));
}

/** The state that a vertex puts its layer on. */
export function baseOf({ op, inputs }: Vertex): VertexId | undefined {
  switch (op.kind) {
    case 'merge':
      return inputs[0];
    case 'copy':
      return op.base === undefined ? undefined : inputs[op.base];
    case 'mkdir':
    case 'exec':
    case 'squash':
      return inputs[op.base];
    default:
      return undefined;
  }
}

function surroundingsOf({ network, security, env }: ExecOp): Surroundings {
  return {
    network: network === 'none' ? 'none' : 'host',
    insecure: security === 'insecure',
    multiline: env.filter((text) => text.includes('\n')),
  };
}

function isEqual(one: Surroundings, other: Surroundings): boolean {
  return canonicalJson(one) === canonicalJson(other);
}

/** Vertices that something else than one next step takes from, and those that lend files. */
function findEnds(
  graph: Graph,
  targets: readonly VertexId[],
): { readonly ends: ReadonlySet<VertexId>; readonly lenders: ReadonlySet<VertexId> } {
  const uses = new Map<VertexId, number>();
  const lenders = new Set<VertexId>();
  const ends = new Set<VertexId>(targets);
  for (const vertex of graph.vertices) {
    const base = baseOf(vertex);
    if (base !== undefined) uses.set(base, (uses.get(base) ?? 0) + 1);
    if (base !== undefined && vertex.op.kind === 'squash') ends.add(base);
    for (const id of lentTo(vertex)) lenders.add(id);
  }
  for (const [id, count] of uses) if (count > 1) ends.add(id);
  for (const id of lenders) ends.add(id);
  return { ends, lenders };
}

/** The inputs from which a vertex takes files: those of `copy` and of mounts. */
export function lentTo({ op, inputs }: Vertex): readonly VertexId[] {
  if (op.kind === 'copy') return op.sources.flatMap((each) => (each.kind === 'input' ? [inputs[each.input]!] : []));
  if (op.kind !== 'exec') return [];
  return op.mounts.flatMap((mount) =>
    (mount.kind === 'bind' || mount.kind === 'cache') && mount.input !== undefined ? [inputs[mount.input]!] : [],
  );
}

interface Known {
  readonly vertices: ReadonlyMap<VertexId, Vertex>;
  /** The ends of all stages. */
  readonly made: ReadonlySet<VertexId>;
}

function needsOf({ base, steps }: Pick<Draft, 'base' | 'steps'>, { vertices, made }: Known): ReadonlySet<VertexId> {
  const lent = steps.flatMap((vertex) => lentTo(copyOf(vertex, vertices)));
  return new Set([...(base === undefined ? [] : [base]), ...lent].filter((id) => made.has(id)));
}

/** The copy that a vertex stands for: a merge puts that of a link on its base. */
export function copyOf(vertex: Vertex, vertices: ReadonlyMap<VertexId, Vertex>): Vertex {
  return vertex.op.kind === 'merge' ? vertices.get(vertex.inputs[1]!)! : vertex;
}
