import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { BuildError, digestOf, formatReference, parseReference, type RunContext } from '../../core/index.ts';
import { createLayerAccess, type EngineEnv, type OpResult, openLocalTree } from '../../engine/index.ts';
import { CONTEXT_NAME, localName, type Vertex, type VertexId } from '../../graph/index.ts';
import { encodeConfig, type ImageConfig, MEDIA_TYPES } from '../../oci/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import { defaultParallelism } from '../default-parallelism.ts';
import { annotationsAt } from '../request/annotations.ts';
import { checkConsistency } from '../request/check-consistency.ts';
import { type LoweredBuild, lowerPlatforms } from '../request/lower-platforms.ts';
import type { LoweredRequest } from '../request/lower-request.ts';
import { reportBuild } from '../request/report-build.ts';
import { createSecretProvider } from '../request/secrets.ts';
import { sourceDateEpochOf } from '../request/source-date-epoch.ts';
import { watchWarnings } from '../request/watch-warnings.ts';
import type { BuildResult, ContextDirectory, LoadedRequest } from '../types.ts';
import { buildStages } from './build-stages.ts';
import { checkAnnotations, checkSayable } from './check-sayable.ts';
import { createDeliverer } from './deliver-files.ts';
import { chainOf, finalImage } from './final-image.ts';
import { finishLayers } from './finish-layers.ts';
import type { StoredImage } from './image-memory.ts';
import { importImage } from './import-image.ts';
import type { Isolation } from './isolation.ts';
import { loadLayers } from './load-image.ts';
import { type FinishedImage, nameImages } from './name-images.ts';
import { writeOwnContext } from './own-context.ts';
import { planStages } from './plan-stages.ts';
import { type BuiltStage, toVariables } from './render-stage.ts';
import { type BuildahBase, resolveBase } from './resolve-base.ts';
import type { Buildah } from './run-buildah.ts';
import { withStepInputs } from './step-inputs.ts';
import { createStepProgress, type StepProgress } from './step-progress.ts';
import { requireStoredImage } from './stored-image.ts';

export interface BuildDeps {
  readonly buildah: Buildah;
  readonly isolation: Isolation;
  readonly store: Store;
  readonly uid: number;
}

/**
 * Builds an image with buildah. The Dockerfile is lowered as for the native backend; files from outside are chosen by our
 * engine; buildah runs the steps and makes the layers; config, history and manifest are ours again.
 *
 * @throws BuildError as `BuildBackend.buildImage` says.
 */
export async function buildImage(deps: BuildDeps, loaded: LoadedRequest, context: RunContext): Promise<BuildResult> {
  checkConsistency(loaded.request);
  checkAnnotations(loaded.request);
  const lease = await deps.store.openLease();
  const workDir = await deps.store.makeTempDir('buildah-');
  try {
    return await build({ ...deps, lease, workDir }, loaded, context);
  } finally {
    await rm(workDir, { recursive: true, force: true });
    await lease.release();
  }
}

interface Job extends BuildDeps {
  readonly lease: Lease;
  readonly workDir: string;
}

async function build(job: Job, loaded: LoadedRequest, outer: RunContext): Promise<BuildResult> {
  const startedMs = Date.now();
  const { request } = loaded;
  const references = (request.tags ?? []).map((tag) => formatReference(parseReference(tag)));
  const { context, refuseWarnings } = watchWarnings(outer, request.strict ?? false);
  const epoch = sourceDateEpochOf(request);
  const clockMs = epoch === undefined ? startedMs : epoch * 1000;
  const resolve = { ...job, pull: request.pull ?? 'missing', credentials: request.credentials } as const;
  const lowered = await lowerPlatforms((base) => resolveBase(resolve, base, context), loaded, context);
  checkSayable(
    lowered.graph,
    lowered.images.flatMap(({ bases }) => bases.map(({ config }) => config.config?.Env ?? [])).flat(),
  );
  refuseWarnings();
  const progress = createStepProgress(lowered.graph, context);
  const env = createEnv(job, { loaded, clockMs });
  const steps: Steps = { loaded, lowered, progress, env };
  const built = await runSteps(job, steps, context);
  refuseWarnings();
  const images: FinishedImage[] = [];
  for (const each of lowered.images) {
    const stored = await storedImageOf(job, { lowered: each, built }, context);
    images.push(await finish(job, { ...steps, each, stored, clockMs, fixedClock: epoch !== undefined }, context));
  }
  completeRest(lowered.graph.vertices, progress);
  const root = await nameImages(job, { images, references }, context);
  const durationMs = Date.now() - startedMs;
  return reportBuild({ images, root, references, steps: progress.reports(), durationMs });
}

interface Steps {
  readonly loaded: LoadedRequest;
  readonly lowered: LoweredBuild<BuildahBase>;
  readonly progress: StepProgress;
  readonly env: EngineEnv;
}

/** Builds all stages; gives the images of buildah's storage by the vertices that they are the results of. */
async function runSteps(job: Job, steps: Steps, context: RunContext): Promise<ReadonlyMap<VertexId, BuiltStage>> {
  const { loaded, lowered, progress, env } = steps;
  const { graph, images } = lowered;
  const { request } = loaded;
  const built = await baseImages(job, steps, context);
  const openState = async ({ id, op }: Vertex, inner: RunContext): Promise<OpResult> => ({
    kind: 'layers',
    layers: op.kind === 'scratch' ? [] : await loadLayers({ ...job, ...env }, built.get(id)!.id, inner),
  });
  const { platform } = images[0]!;
  const sources = { openSource: createSourceOpener(env, steps), openState };
  const deliverer = createDeliverer({ ...job, env, platform, ...sources }, graph, context);
  await deliverer.deliverEarly();
  const own = await writeOwnContext(job.workDir, graph);
  const plans = planStages(
    graph,
    images.map(({ target }) => target),
  );
  const parallelism = request.parallelism ?? defaultParallelism();
  await withStepInputs({ ...env, env: job.buildah.env }, graph, (inputOptions) => {
    const input = { graph, plans, request, own, inputOptions, parallelism, nonce: randomUUID() };
    return buildStages({ ...job, progress, deliverer }, { input, built }, context);
  });
  return built;
}

interface Finishing extends Steps {
  readonly each: LoweredRequest<BuildahBase>;
  readonly stored: StoredImage;
  readonly clockMs: number;
  readonly fixedClock: boolean;
}

async function finish(job: Job, finishing: Finishing, context: RunContext): Promise<FinishedImage> {
  const { each, stored, loaded, env, clockMs, fixedClock } = finishing;
  const { request } = loaded;
  const squash = each.graph.vertices.find(({ id }) => id === each.target);
  const input = {
    built: stored,
    base: each.state.base.rootfs.diff_ids.length,
    keep: squash?.op.kind === 'squash' ? squash.op.keep : undefined,
    steps: chainOf(each.graph, each.target),
    clampMtime: request.rewriteTimestamp ? sourceDateEpochOf(request) : undefined,
  };
  const { layers, blobs } = await finishLayers({ ...job, env }, input, context);
  const image = finalImage({ lowered: each, built: stored, layers, request, clockMs, fixedClock });
  const annotations = annotationsAt(request, 'manifest-descriptor', each.platform);
  return { image, blobs, platform: each.platform, annotations };
}

/** What buildah has of an image before it is finished. */
async function storedImageOf(
  { buildah }: Job,
  {
    lowered,
    built,
  }: { readonly lowered: LoweredRequest<BuildahBase>; readonly built: ReadonlyMap<VertexId, BuiltStage> },
  context: RunContext,
): Promise<StoredImage> {
  const target = lowered.graph.vertices.find(({ id }) => id === lowered.target)!;
  const id = target.op.kind === 'squash' ? target.inputs[target.op.base]! : target.id;
  const stage = built.get(id);
  if (stage !== undefined) return requireStoredImage(buildah, stage.id, context);
  const config: ImageConfig = { architecture: '', os: '', rootfs: { type: 'layers', diff_ids: [] } };
  const digest = digestOf('');
  const none = { mediaType: MEDIA_TYPES.ociConfig, digest, size: 0 };
  return { id: '', digest, config, manifest: { schemaVersion: 2, config: none, layers: [] }, manifestText: '' };
}

/** A merge is done when the copy that it puts on top is: both are one instruction. A squash ends the build. */
function completeRest(vertices: readonly Vertex[], progress: StepProgress): void {
  const verdicts = new Map(progress.reports().map(({ vertex, verdict }) => [vertex, verdict]));
  for (const { id, op, inputs } of vertices) {
    if (op.kind === 'merge') progress.complete(id, verdicts.get(inputs[1]!)!);
    if (op.kind === 'scratch') progress.complete(id, { kind: 'source', reason: 'It is empty.' });
    if (op.kind === 'squash') progress.complete(id, { kind: 'run', reason: 'Layers are put together in every build.' });
  }
}

function createEnv(
  { store, lease }: Job,
  { loaded, clockMs }: { readonly loaded: LoadedRequest; readonly clockMs: number },
): EngineEnv {
  const fetchLayer = (): never => {
    throw new BuildError('INTERNAL', 'A layer is missing that this build made.');
  };
  return {
    store,
    lease,
    layers: createLayerAccess({ store, lease, fetchLayer }),
    secrets: createSecretProvider(loaded.request.secrets ?? {}),
    sshAgents: new Map(Object.entries(loaded.request.ssh ?? {})),
    clockSeconds: Math.floor(clockMs / 1000),
  };
}

function createSourceOpener(env: EngineEnv, { loaded, progress }: Steps) {
  const directories = new Map<string, ContextDirectory>([[CONTEXT_NAME, loaded.context]]);
  for (const [name, directory] of loaded.directories) directories.set(localName(name), directory);
  const open = async ({ id, op }: Vertex, context: RunContext): Promise<OpResult> => {
    switch (op.kind) {
      case 'local':
        return openLocalTree({ env }, directories.get(op.name) ?? { directory: undefined, ignore: undefined });
      case 'http':
        return (await import('../../engine/remote.ts')).fetchHttp({ env }, { op, vertex: id }, context);
      case 'git':
        return (await import('../../engine/remote.ts')).fetchGit({ env }, { op, vertex: id }, context);
      default:
        throw new BuildError('INTERNAL', `${op.kind} is no source of files.`);
    }
  };
  return async (vertex: Vertex, context: RunContext): Promise<OpResult> => {
    progress.start(vertex.id);
    const result = await open(vertex, context);
    progress.complete(vertex.id, { kind: 'source', reason: 'Sources are looked at in every build.' });
    return result;
  };
}

/** Base images by vertex. Their ONBUILD triggers stand in the graph already: buildah gets them without. */
async function baseImages(
  job: Job,
  { lowered, progress }: Steps,
  context: RunContext,
): Promise<Map<VertexId, BuiltStage>> {
  const bases = new Map(lowered.images.flatMap((image) => image.bases.map((base) => [base.manifest, base] as const)));
  const images = new Map<VertexId, BuiltStage>();
  for (const { id: vertex, op } of lowered.graph.vertices) {
    if (op.kind !== 'image') continue;
    progress.start(vertex);
    const base = bases.get(op.manifest)!;
    const hasTriggers = (base.config.config?.OnBuild ?? []).length > 0;
    const id = hasTriggers ? await withoutTriggers(job, base, context) : base.id;
    images.set(vertex, { id, env: toVariables(base.config.config?.Env ?? []) });
    progress.complete(vertex, { kind: 'source', reason: 'Sources are looked at in every build.' });
  }
  return images;
}

async function withoutTriggers(job: Job, base: BuildahBase, context: RunContext): Promise<string> {
  const { manifest } = await requireStoredImage(job.buildah, base.id, context);
  const { OnBuild: _triggers, ...config } = base.config.config ?? {};
  const bytes = encodeConfig({ ...base.config, config });
  const digest = digestOf(bytes);
  const changed = { ...manifest, config: { ...manifest.config, digest, size: bytes.length } };
  const manifestBytes = Buffer.from(JSON.stringify(changed));
  return importImage(job, { manifestBytes, config: { digest, bytes }, blobs: [] }, context);
}
