import {
  BuildError,
  isBuildError,
  type Platform,
  type RunContext,
  toBuildError,
  withLocation,
} from '../../core/index.ts';
import { copyKeys, type EngineEnv, type OpResult, runCopy } from '../../engine/index.ts';
import type { CopyOp, CopySource, Graph, Vertex, VertexId } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import { type CopyDelivery, type Deliveries, type MountDelivery, mountKey } from './deliveries.ts';
import { importLayer } from './import-layer.ts';
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
}

/**
 * Takes the files that COPY, ADD and mounts need from directories, downloads, repositories and heredocs. Our engine chooses
 * them, so that patterns, ignore rules, modes, archives and errors are what they are everywhere; each choice becomes a layer
 * of our store and an image of buildah's storage that holds nothing else.
 *
 * @throws BuildError what `runCopy` throws, each with its place; `UNSUPPORTED` for a mix that buildah cannot take.
 */
export async function deliverFiles(deps: DeliveryDeps, graph: Graph, context: RunContext): Promise<Deliveries> {
  const vertices = new Map(graph.vertices.map((vertex) => [vertex.id, vertex]));
  const results = new Map<VertexId, Promise<OpResult>>();
  const sourceOf = (id: VertexId): Promise<OpResult> => {
    const result = results.get(id) ?? deps.openSource(vertices.get(id)!, context);
    results.set(id, result);
    return result;
  };
  const work: Work = { deps, vertices, sourceOf, context, images: new Map() };
  const copies = new Map<VertexId, CopyDelivery>();
  const mounts = new Map<string, MountDelivery>();
  for (const vertex of graph.vertices) {
    await atPlace(vertex, async () => {
      if (vertex.op.kind === 'copy') copies.set(vertex.id, await deliverCopy(work, vertex, vertex.op));
      if (vertex.op.kind !== 'exec') return;
      for (const [index, mount] of vertex.op.mounts.entries()) {
        if (mount.kind !== 'bind') continue;
        const input = vertex.inputs[mount.input]!;
        if (isState(vertices.get(input)!)) continue;
        mounts.set(mountKey(vertex.id, index), await deliverMount(work, input, mount.source));
      }
    });
  }
  return { copies, mounts };
}

interface Work {
  readonly deps: DeliveryDeps;
  readonly vertices: ReadonlyMap<VertexId, Vertex>;
  readonly sourceOf: (id: VertexId) => Promise<OpResult>;
  readonly context: RunContext;
  /** buildah's ids by diffId; grows. */
  readonly images: Map<string, string>;
}

async function atPlace(vertex: Vertex, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    const { location } = vertex.info;
    throw location === undefined ? thrown : withLocation(toBuildError(thrown), location);
  }
}

/** Whether a vertex is a root file system, which buildah has, and not files from elsewhere. */
export function isState({ op }: Vertex): boolean {
  return !['local', 'http', 'git'].includes(op.kind);
}

async function deliverCopy(work: Work, vertex: Vertex, op: CopyOp): Promise<CopyDelivery> {
  const inputs = op.sources.flatMap((source) => (source.kind === 'input' ? [vertex.inputs[source.input]!] : []));
  const states = new Set(inputs.filter((id) => isState(work.vertices.get(id)!)));
  if (states.size === 0) return deliverSelection(work, vertex, op);
  const [source] = states;
  const hasOthers = states.size > 1 || inputs.length < op.sources.length || inputs.some((id) => !states.has(id));
  const isOdd = op.parents || op.exclude.length > 0 || isSymbolic(op.chmod);
  if (hasOthers || isOdd || source === undefined) {
    throw new BuildError('UNSUPPORTED', 'The backend buildah-cli cannot copy from a stage in this way.', {
      hint: '--parents, --exclude, symbolic modes and mixed sources are for files of the context; --backend native has them for stages.',
    });
  }
  return { kind: 'stage', source, paths: op.sources.map((each) => (each.kind === 'input' ? each.path : '')) };
}

function isSymbolic(chmod: string | undefined): boolean {
  return chmod !== undefined && !/^[0-7]+$/.test(chmod);
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
    ownerless: true,
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

async function imageOf({ deps, context, images }: Work, layer: LayerRef): Promise<string> {
  const known = images.get(layer.diffId);
  if (known !== undefined) return known;
  const deliverer = { buildah: deps.buildah, workDir: deps.workDir, store: deps.env.store };
  const image = await importLayer(deliverer, { layer, platform: deps.platform }, context);
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
