import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { CacheRecord, CacheTarget } from '../../cache/index.ts';
import { BuildError, type Digest, formatReference, parseReference, type RunContext } from '../../core/index.ts';
import {
  createLayerAccess,
  type EngineEnv,
  type OpResult,
  openLocalTree,
  type TreeResult,
} from '../../engine/index.ts';
import { type BaseRequest, CONTEXT_NAME, digestOfGraph, localName } from '../../graph/index.ts';
import { type Descriptor, type LayerRef, MEDIA_TYPES } from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import { type Outcomes, solve } from '../../solver/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import { createSecretProvider } from '../secrets.ts';
import type { BuildPlan, BuildResult, CheckResult, ContextDirectory, LoadedRequest, StepReport } from '../types.ts';
import { type AssembledImage, assembleImage } from './assemble-image.ts';
import { fetchLayer, fetchMissing } from './fetch-layer.ts';
import { checkRequest, type LoweredRequest, lowerRequest } from './lower-request.ts';
import { createOpRunner, type StepEngine } from './op-runner.ts';
import { type BaseImage, type ResolveDeps, resolveBase } from './resolve-base.ts';
import { resolveLayout } from './resolve-layout.ts';
import { openSharedCaches, recordResults, type SharedCaches } from './shared-caches.ts';
import { createStepCache } from './step-cache.ts';
import { watchWarnings } from './watch-warnings.ts';

/** Steps that mostly wait run well beyond the number of cores. */
const MIN_PARALLELISM = 4;

/** What a build works with: the client may have the request's own sign-ins. */
export interface BuildDeps {
  readonly store: Store;
  readonly registry: () => Promise<RegistryClient>;
}

/** The build checks over a request. Base images are looked up in the store alone. */
export function checkNative(store: Store, loaded: LoadedRequest, context: RunContext): Promise<CheckResult> {
  const client = (): never => {
    throw new BuildError('INTERNAL', 'Checks ask no registry.');
  };
  return checkRequest((base) => resolveImage({ store, client, pull: 'never' }, base, context), loaded);
}

function resolveImage(deps: ResolveDeps, base: BaseRequest, context: RunContext): Promise<BaseImage> {
  if (base.reference.startsWith('oci-layout://')) return resolveLayout(deps.store, base, context);
  return resolveBase(deps, base, context);
}

async function withLease<T>(store: Store, work: (lease: Lease) => Promise<T>): Promise<T> {
  const lease = await store.openLease();
  try {
    return await work(lease);
  } finally {
    await lease.release();
  }
}

/** Builds a request and names the image in the store. */
export function buildImage(deps: BuildDeps, loaded: LoadedRequest, context: RunContext): Promise<BuildResult> {
  return withLease(deps.store, (lease) => build(deps, { loaded, lease }, context));
}

/** What `buildImage` would do. */
export function planImage(deps: BuildDeps, loaded: LoadedRequest, context: RunContext): Promise<BuildPlan> {
  return withLease(deps.store, (lease) => plan(deps, { loaded, lease }, context));
}

interface Job {
  readonly loaded: LoadedRequest;
  readonly lease: Lease;
}

interface Solved {
  readonly lowered: LoweredRequest;
  readonly shared: SharedCaches;
  readonly records: readonly CacheRecord[];
  readonly outcomes: Outcomes<OpResult>;
  readonly clockMs: number;
  readonly fixedClock: boolean;
}

async function build(deps: BuildDeps, job: Job, context: RunContext): Promise<BuildResult> {
  const startedMs = Date.now();
  const { request } = job.loaded;
  const references = (request.tags ?? []).map((tag) => formatReference(parseReference(tag)));
  const solved = await solveRequest(deps, { ...job, mode: 'run' }, context);
  const { lowered } = solved;
  const layers = layersOf(solved);
  const image = assembleImage({
    state: lowered.state,
    layers,
    createdMs: createdTimes(solved.outcomes),
    clockMs: solved.clockMs,
    fixedClock: solved.fixedClock,
    annotations: request.annotations ?? {},
  });
  await storeImage({ ...deps, shared: solved.shared }, { image, layers, references, lowered }, context);
  await exportCaches(deps, { solved, layers, targets: request.cacheTo ?? [] }, context);
  return toResult({ solved, image, references, durationMs: Date.now() - startedMs });
}

async function plan(deps: BuildDeps, job: Job, context: RunContext): Promise<BuildPlan> {
  const { lowered, outcomes } = await solveRequest(deps, { ...job, mode: 'plan' }, context);
  return {
    platform: lowered.platform,
    steps: reportSteps(outcomes),
    bases: lowered.bases.map((base) => ({ reference: base.reference, digest: base.manifest })),
    digest: digestOfGraph(lowered.graph),
  };
}

interface SolveJob extends Job {
  readonly mode: 'run' | 'plan';
}

async function solveRequest(deps: BuildDeps, job: SolveJob, outer: RunContext): Promise<Solved> {
  const { loaded, lease } = job;
  const { request } = loaded;
  const { store } = deps;
  const { context, refuseWarnings } = watchWarnings(outer, request.strict ?? false);
  const resolveDeps = { store, client: deps.registry, pull: request.pull ?? 'missing' } as const;
  const lowered = await lowerRequest((base) => resolveImage(resolveDeps, base, context), loaded, context);
  refuseWarnings();
  const shared = openSharedCaches(deps.registry, request.cacheFrom ?? [], context);
  announce(lowered, context);
  const epoch = epochOf(loaded);
  const clockMs = epoch === undefined ? Date.now() : epoch * 1000;
  const env: EngineEnv = {
    store,
    lease,
    layers: createLayerAccess({
      store,
      lease,
      fetchLayer: (layer, inner) => fetchLayer({ ...deps, shared }, layer, inner),
    }),
    secrets: createSecretProvider(request.secrets ?? {}),
    sshAgents: new Map(Object.entries(request.ssh ?? {})),
    clockSeconds: Math.floor(clockMs / 1000),
    ...(request.rewriteTimestamp && epoch !== undefined ? { clampMtime: epoch } : {}),
  };
  const trees = createLocalTrees(env, loaded);
  const runner = createOpRunner({
    env,
    baseLayers: new Map(lowered.bases.map((base) => [base.manifest, base.layers])),
    localTree: trees.open,
    openStepEngine: createStepEngineOpener(env),
  });
  const input = {
    graph: lowered.graph,
    parallelism: request.parallelism ?? Math.max(MIN_PARALLELISM, availableParallelism()),
    mode: job.mode,
  };
  const { cache, records } = recordResults(createStepCache({ store, lease, shared }));
  const solving = solve({ runner, cache }, input, context);
  const outcomes = await solving.finally(trees.saveDigests);
  refuseWarnings();
  return { lowered, outcomes, shared, records: records(), clockMs, fixedClock: epoch !== undefined };
}

/** SOURCE_DATE_EPOCH by option or build arg, in seconds. @throws BuildError `USAGE` when it is no number. */
function epochOf(loaded: LoadedRequest): number | undefined {
  const { sourceDateEpoch, buildArgs } = loaded.request;
  const text = buildArgs?.['SOURCE_DATE_EPOCH'];
  if (sourceDateEpoch !== undefined) return sourceDateEpoch;
  if (text === undefined || text === '') return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new BuildError('USAGE', `SOURCE_DATE_EPOCH=${text} is not a number of seconds.`);
}

function announce(lowered: LoweredRequest, context: RunContext): void {
  const vertices = lowered.graph.vertices.map((vertex, index) => ({
    id: vertex.id,
    name: vertex.info.name,
    inputs: vertex.inputs,
    number: index + 1,
    ...(vertex.info.stage === undefined ? {} : { stage: vertex.info.stage }),
    ...(vertex.info.location === undefined ? {} : { location: vertex.info.location }),
  }));
  context.emit({ kind: 'build-planned', time: Date.now(), vertices });
}

interface LocalTrees {
  /** The tree of a `LocalOp`. */
  open(name: string): Promise<TreeResult>;
  /** Keeps the digests of the files that were read, for the next build. */
  saveDigests(): Promise<void>;
}

function createLocalTrees(env: EngineEnv, loaded: LoadedRequest): LocalTrees {
  const directories = new Map<string, ContextDirectory>([[CONTEXT_NAME, loaded.context]]);
  for (const [name, directory] of loaded.directories) directories.set(localName(name), directory);
  const opened: TreeResult[] = [];
  return {
    open: async (name) => {
      const tree = await openLocalTree({ env }, directories.get(name) ?? { directory: undefined, ignore: undefined });
      opened.push(tree);
      return tree;
    },
    saveDigests: async () => {
      for (const tree of opened) await tree.saveDigests?.();
    },
  };
}

function createStepEngineOpener(env: EngineEnv): (context: RunContext) => Promise<StepEngine> {
  let opening: Promise<StepEngine> | undefined;
  return (context) => {
    opening ??= openStepEngine(env, context);
    return opening;
  };
}

async function openStepEngine(env: EngineEnv, context: RunContext): Promise<StepEngine> {
  const { store, layers } = env;
  const { createExecutor, createSnapshots, runExec } = await import('../../engine/steps.ts');
  const stateDir = join(store.root, 'engine');
  const executor = await createExecutor({ stateDir, makeTempDir: (prefix) => store.makeTempDir(prefix) }, context);
  return { executor, snapshots: createSnapshots({ store, layers, executor }), runExec };
}

function layersOf(solved: Solved): readonly LayerRef[] {
  const value = solved.outcomes.get(solved.lowered.target)?.value;
  if (value?.result.kind === 'layers') return value.result.layers;
  throw new BuildError('INTERNAL', 'The target of the build has no layers.');
}

function createdTimes(outcomes: Outcomes<OpResult>): ReadonlyMap<Digest, number> {
  return new Map([...outcomes].flatMap(([id, { value }]) => (value === undefined ? [] : [[id, value.createdMs]])));
}

interface StoreInput {
  readonly image: AssembledImage;
  readonly layers: readonly LayerRef[];
  readonly references: readonly string[];
  readonly lowered: LoweredRequest;
}

/** Stores the documents, makes everything that they name durable, and only then names the image. */
async function storeImage(
  deps: BuildDeps & { readonly shared: SharedCaches },
  input: StoreInput,
  context: RunContext,
): Promise<void> {
  const { store } = deps;
  const { image, layers } = input;
  await fetchMissing(deps, layers, context);
  const config = await store.blobs.put(image.configBytes);
  const manifest = await store.blobs.put(image.manifestBytes);
  const blobs = layers.map((layer) => ({ digest: layer.blob.digest, sizeBytes: layer.blob.size }));
  await store.sync([...blobs, config, manifest]);
  await store.images.set(input.references, image.descriptor);
  for (const base of input.lowered.bases) await nameBase(store, base, layers);
}

interface CacheExport {
  readonly solved: Solved;
  /** Of the image. */
  readonly layers: readonly LayerRef[];
  readonly targets: readonly CacheTarget[];
}

/** Leaves the results of the build, or those that the image consists of, to other builders. */
async function exportCaches(
  deps: BuildDeps,
  { solved, layers, targets }: CacheExport,
  context: RunContext,
): Promise<void> {
  if (targets.length === 0) return;
  const { exportCache } = await import('../../cache/index.ts');
  const { shared, records, lowered } = solved;
  const bases = new Set(lowered.bases.flatMap((base) => base.layers.map((layer) => layer.diffId)));
  const inImage = new Set(layers.map((layer) => layer.diffId));
  const least = records.filter((record) => record.layers.every((layer) => inImage.has(layer.diffId)));
  const exportDeps = {
    store: deps.store,
    client: deps.registry,
    fetchLayer: (layer: LayerRef, inner: RunContext) => fetchLayer({ ...deps, shared }, layer, inner),
  };
  for (const target of targets) {
    await exportCache(exportDeps, { target, records: target.mode === 'min' ? least : records, bases }, context);
  }
}

/** A pulled base gets its name when all of its layers came with the image, so that it is not asked for again. */
async function nameBase(
  store: Store,
  base: LoweredRequest['bases'][number],
  layers: readonly LayerRef[],
): Promise<void> {
  const here = new Set(layers.map((layer) => layer.diffId));
  if (base.storeAs === undefined || !base.layers.every((layer) => here.has(layer.diffId))) return;
  await store.images.set([base.storeAs], base.root);
}

interface ResultInput {
  readonly solved: Solved;
  readonly image: AssembledImage;
  readonly references: readonly string[];
  readonly durationMs: number;
}

function toResult({ solved, image, references, durationMs }: ResultInput): BuildResult {
  const diffIds = image.config.rootfs.diff_ids;
  const layers = image.manifest.layers.map((blob: Descriptor, index) => ({
    diffId: diffIds[index]!,
    digest: blob.digest,
    mediaType: blob.mediaType,
    sizeBytes: blob.size,
  }));
  return {
    digest: image.descriptor.digest,
    configDigest: image.manifest.config.digest,
    mediaType: MEDIA_TYPES.ociManifest,
    manifestSizeBytes: image.descriptor.size,
    platform: solved.lowered.platform,
    config: image.config,
    layers,
    sizeBytes: layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
    references,
    steps: reportSteps(solved.outcomes),
    durationMs,
    warnings: [],
  };
}

function reportSteps(outcomes: Outcomes<OpResult>): readonly StepReport[] {
  return [...outcomes.values()].map(({ vertex, verdict, startedMs, durationMs }) => ({
    vertex: vertex.id,
    name: vertex.info.name,
    ...(vertex.info.stage === undefined ? {} : { stage: vertex.info.stage }),
    verdict,
    startedMs,
    durationMs,
  }));
}
