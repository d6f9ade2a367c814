import { isBuildError, type Platform, type RunContext, toBuildError, withLocation } from '../../core/index.ts';
import { copyKeys, type EngineEnv, type OpResult, runCopy } from '../../engine/index.ts';
import type { CopyOp, CopySource, Graph, Vertex, VertexId } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import { type CopyDelivery, type Deliveries, type MountDelivery, mountKey } from './deliveries.ts';
import { importLayer } from './import-layer.ts';
import { copyOf, isState, lentTo } from './plan-stages.ts';
import { isPlain } from './render-mount.ts';
import type { Buildah } from './run-buildah.ts';

/** Where files stand in an image that holds nothing else. */
const PLACE = 'files';

export interface DeliveryDeps {
  readonly buildah: Buildah;
  readonly env: EngineEnv;
  readonly workDir: string;
  readonly platform: Platform;
  /** Evaluates a vertex that is no state of a stage: a directory, a download, a checkout. */
  readonly openSource: (vertex: Vertex, context: RunContext) => Promise<OpResult>;
  /** The layers of a stage that is built, or of a base image. */
  readonly openState: (vertex: Vertex, context: RunContext) => Promise<OpResult>;
}

/** Brings the files that steps take to where buildah can take them. */
export interface Deliverer {
  /** What was delivered so far; grows. */
  readonly deliveries: Deliveries;
  /** Everything that needs no stage: so what is missing is found before any step runs. */
  deliverEarly(): Promise<void>;
  /** What these vertices take, in ways that buildah does not know, from stages that are built by now. */
  deliverLate(vertices: readonly Vertex[]): Promise<void>;
  /** A directory of a source or stage, for seeding. */
  deliverDirectory(input: VertexId, path: string): Promise<MountDelivery>;
}

/**
 * Takes the files that COPY, ADD and mounts need from directories, downloads, repositories and heredocs, and those of stages
 * for which buildah has no words. Our engine chooses them, so that patterns, ignore rules, modes, archives and errors are what
 * they are everywhere; each choice becomes a layer of our store and an image of buildah's storage that holds nothing else.
 * Throws what `runCopy` throws, each with its place.
 */
export function createDeliverer(deps: DeliveryDeps, graph: Graph, context: RunContext): Deliverer {
  const vertices = new Map(graph.vertices.map((vertex) => [vertex.id, vertex]));
  const results = new Map<VertexId, Promise<OpResult>>();
  const sourceOf = (id: VertexId): Promise<OpResult> => {
    const vertex = vertices.get(id)!;
    const open = isState(vertex) ? deps.openState : deps.openSource;
    const result = results.get(id) ?? open(vertex, context);
    results.set(id, result);
    return result;
  };
  const work: Work = { deps, vertices, sourceOf, context, images: new Map() };
  const copies = new Map<VertexId, CopyDelivery>();
  const mounts = new Map<string, MountDelivery>();
  const deliver = (vertex: Vertex, isWanted: (how: HowDelivered) => boolean): Promise<void> =>
    atPlace(vertex, async () => {
      const { op, id } = vertex;
      if (op.kind === 'copy' && isWanted(howCopied(work, vertex, op))) {
        copies.set(id, await deliverCopy(work, vertex, op));
      }
      if (op.kind !== 'exec') return;
      for (const [index, mount] of op.mounts.entries()) {
        if (mount.kind !== 'bind') continue;
        const input = vertex.inputs[mount.input]!;
        const how = howMounted(vertices.get(input)!, mount.source);
        if (how === 'by buildah' || !isWanted(how)) continue;
        mounts.set(mountKey(id, index), await deliverMount(work, input, mount.source));
      }
    });
  return {
    deliveries: { copies, mounts },
    deliverEarly: async () => {
      for (const vertex of graph.vertices) await deliver(vertex, (how) => how !== 'late');
    },
    deliverLate: async (late) => {
      for (const vertex of late) await deliver(copyOf(vertex, vertices), (how) => how === 'late');
    },
    deliverDirectory: (input, path) => deliverMount(work, input, path),
  };
}

interface Work {
  readonly deps: DeliveryDeps;
  readonly vertices: ReadonlyMap<VertexId, Vertex>;
  readonly sourceOf: (id: VertexId) => Promise<OpResult>;
  readonly context: RunContext;
  /** buildah's ids by diffId; grows. */
  readonly images: Map<string, Promise<string>>;
}

/** `early`: by our engine, from what is no stage. `late`: by our engine, when the stages are there. */
type HowDelivered = 'by buildah' | 'early' | 'late';

/** buildah copies from one stage, by patterns, with numbers for modes. */
function howCopied(work: Work, vertex: Vertex, op: CopyOp): HowDelivered {
  const inputs = lentTo(vertex);
  const states = new Set(inputs.filter((id) => isState(work.vertices.get(id)!)));
  if (states.size === 0) return 'early';
  const hasOthers = states.size > 1 || op.sources.length > inputs.length || inputs.some((id) => !states.has(id));
  const isOdd = op.parents || op.exclude.length > 0 || (op.chmod !== undefined && !/^[0-7]+$/.test(op.chmod));
  return hasOthers || isOdd ? 'late' : 'by buildah';
}

function howMounted(input: Vertex, source: string): HowDelivered {
  if (!isState(input)) return 'early';
  return isPlain(source) ? 'by buildah' : 'late';
}

async function atPlace(vertex: Vertex, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    const { location } = vertex.info;
    throw location === undefined ? thrown : withLocation(toBuildError(thrown), location);
  }
}

async function deliverCopy(work: Work, vertex: Vertex, op: CopyOp): Promise<CopyDelivery> {
  if (howCopied(work, vertex, op) !== 'by buildah') return deliverSelection(work, vertex, op);
  const [source] = lentTo(vertex);
  return { kind: 'stage', source: source!, paths: op.sources.map((each) => (each.kind === 'input' ? each.path : '')) };
}

/** The op for files alone: no base, no owner (which may be a name of the stage), one place. */
function detached(op: CopyOp, destination: string): CopyOp {
  const { base: _base, chown: _chown, ...rest } = op;
  return { ...rest, destination };
}

async function deliverSelection(work: Work, vertex: Vertex, op: CopyOp): Promise<CopyDelivery> {
  const inputs = await inputsOf(work, vertex, op);
  const isDirectory = op.destination.endsWith('/') || op.sources.length > 1 || op.parents;
  if (!isDirectory) {
    const whole = await makeLayer(work, { op: detached(op, `/${PLACE}`), inputs }).catch(ignoreConflict);
    const kind = whole === undefined ? 'several' : await kindAt(work, whole);
    if (kind === undefined) return { kind: 'nothing' };
    if (whole !== undefined && kind === 'directory') {
      return { kind: 'image', image: await imageOf(work, whole), path: `/${PLACE}/`, destination: op.destination };
    }
    if (kind !== 'several') return deliverFile(work, { op, inputs });
  }
  const layer = await makeLayer(work, { op: detached(op, `/${PLACE}/`), inputs });
  if ((await kindAt(work, layer)) === undefined) return { kind: 'nothing' };
  const destination = op.destination.endsWith('/') ? op.destination : `${op.destination}/`;
  return { kind: 'image', image: await imageOf(work, layer), path: `/${PLACE}/`, destination };
}

/** Several files for one name: only the stage tells whether that is a directory. */
function ignoreConflict(error: unknown): undefined {
  if (isBuildError(error, 'COPY_CONFLICT')) return undefined;
  throw error;
}

/** One file whose destination may turn out to be a directory: it keeps its name. */
async function deliverFile(work: Work, making: Making): Promise<CopyDelivery> {
  const { op } = making;
  const layer = await makeLayer(work, { ...making, op: detached(op, `/${PLACE}/`) });
  const view = await work.deps.env.layers.view([layer], work.context);
  const [name = ''] = view.list(PLACE);
  const text = Buffer.from(name, 'latin1').toString('utf8');
  return { kind: 'image', image: await imageOf(work, layer), path: `/${PLACE}/${text}`, destination: op.destination };
}

async function kindAt(work: Work, layer: LayerRef): Promise<string | undefined> {
  return (await work.deps.env.layers.view([layer], work.context)).stat(PLACE)?.type;
}

/** Inputs of a copy as the engine wants them; the stage that it goes to is not among what `detached` ops look at. */
async function inputsOf(work: Work, vertex: Vertex, op: CopyOp): Promise<readonly OpResult[]> {
  const nothing: OpResult = { kind: 'layers', layers: [] };
  const taken = new Set(op.sources.flatMap((source) => (source.kind === 'input' ? [source.input] : [])));
  return Promise.all(vertex.inputs.map((id, index) => (taken.has(index) ? work.sourceOf(id) : nothing)));
}

async function deliverMount(work: Work, input: VertexId, path: string): Promise<MountDelivery> {
  const source: CopySource = {
    kind: 'input',
    input: 0,
    path: escapePath(path),
    unpack: 'never',
    ownerless: !isState(work.vertices.get(input)!),
    mustMatch: false,
  };
  const op: CopyOp = { kind: 'copy', sources: [source], destination: `/${PLACE}`, parents: false, exclude: [] };
  const layer = await makeLayer(work, { op, inputs: [await work.sourceOf(input)] });
  return { image: await imageOf(work, layer), path: `/${PLACE}` };
}

/** A path as a pattern that matches it alone. */
function escapePath(path: string): string {
  return path.replace(/[\\*?[]/g, (char) => (char === '\\' ? '\\\\' : `[${char}]`));
}

function imageOf({ deps, context, images }: Work, layer: LayerRef): Promise<string> {
  const importer = { buildah: deps.buildah, workDir: deps.workDir, store: deps.env.store };
  const image = images.get(layer.diffId) ?? importLayer(importer, { layer, platform: deps.platform }, context);
  images.set(layer.diffId, image);
  return image;
}

interface Making {
  readonly op: CopyOp;
  readonly inputs: readonly OpResult[];
}

/** The layer of a copy, from an earlier build where exactly these files were taken. */
async function makeLayer({ deps, context }: Work, { op, inputs }: Making): Promise<LayerRef> {
  const { env } = deps;
  const { store, lease } = env;
  const keys: string[] = [];
  for await (const { key } of copyKeys({ env }, { op, inputs }, context)) {
    const record = await store.records.get<{ readonly layers: readonly LayerRef[] }>('cache', key);
    const [layer] = record?.layers ?? [];
    if (layer !== undefined && (await lease.pinBlob({ digest: layer.blob.digest, sizeBytes: layer.blob.size })))
      return layer;
    keys.push(key);
  }
  const layer = await runCopy({ env }, { op, inputs }, context);
  for (const key of keys) await store.records.put('cache', key, { layers: [layer], createdMs: Date.now() });
  return layer;
}
