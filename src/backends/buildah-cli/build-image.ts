import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { BuildError, digestHex, digestOf, formatReference, parseReference, type RunContext } from '../../core/index.ts';
import { createLayerAccess, type EngineEnv, type OpResult, openLocalTree } from '../../engine/index.ts';
import { CONTEXT_NAME, localName, type Vertex, type VertexId } from '../../graph/index.ts';
import { encodeConfig, type ImageConfig, MEDIA_TYPES } from '../../oci/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import { type LoweredRequest, lowerRequest } from '../request/lower-request.ts';
import { createSecretProvider } from '../request/secrets.ts';
import { watchWarnings } from '../request/watch-warnings.ts';
import type { BuildResult, ContextDirectory, LoadedRequest } from '../types.ts';
import { openCaches } from './cache-mounts.ts';
import { callBuildah } from './call-buildah.ts';
import { deliverFiles } from './deliver-files.ts';
import { type FinalImage, finalImage } from './final-image.ts';
import { importImage } from './import-image.ts';
import type { Isolation } from './isolation.ts';
import { renderBuild } from './render-build.ts';
import { type BuildahBase, resolveBase } from './resolve-base.ts';
import { runBuild, writeOwnContext } from './run-build.ts';
import type { Buildah } from './run-buildah.ts';
import { withStepInputs } from './step-inputs.ts';
import { createStepProgress, type StepProgress } from './step-progress.ts';
import { requireStoredImage, type StoredImage } from './stored-image.ts';

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
  const epoch = epochOf(loaded);
  const clockMs = epoch === undefined ? startedMs : epoch * 1000;
  const resolve = { ...job, pull: request.pull ?? 'missing', credentials: request.credentials } as const;
  const lowered = await lowerRequest((base) => resolveBase(resolve, base, context), loaded, context);
  refuseWarnings();
  const progress = createStepProgress(lowered.graph, context);
  const built = await runSteps(job, { loaded, lowered, progress, clockMs }, context);
  refuseWarnings();
  const image = finalImage({ lowered, built, request, clockMs, fixedClock: epoch !== undefined });
  await nameImage(job, { image, references }, context);
  return toResult({ image, lowered, references, progress, durationMs: Date.now() - startedMs });
}

/** SOURCE_DATE_EPOCH by option or build arg, in seconds. @throws BuildError `USAGE` when it is no number. */
function epochOf({ request: { sourceDateEpoch, buildArgs } }: LoadedRequest): number | undefined {
  const text = buildArgs?.['SOURCE_DATE_EPOCH'];
  if (sourceDateEpoch !== undefined) return sourceDateEpoch;
  if (text === undefined || text === '') return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new BuildError('USAGE', `SOURCE_DATE_EPOCH=${text} is not a number of seconds.`);
}

interface Steps {
  readonly loaded: LoadedRequest;
  readonly lowered: LoweredRequest<BuildahBase>;
  readonly progress: StepProgress;
  readonly clockMs: number;
}

async function runSteps(
  job: Job,
  steps: Steps,
  context: RunContext,
): Promise<Pick<StoredImage, 'config' | 'manifest'>> {
  const { loaded, lowered, progress } = steps;
  const { graph, target, platform } = lowered;
  const { request } = loaded;
  const images = await baseImages(job, steps, context);
  const env = createEnv(job, steps);
  const openSource = createSourceOpener(env, steps);
  const deliveries = await deliverFiles({ ...job, env, platform, openSource }, graph, context);
  const scripts = scriptsOf(graph.vertices);
  await writeOwnContext(job.workDir, scripts.texts);
  const caches = await openCaches(job, graph, context);
  try {
    const rendered = renderBuild({
      graph,
      target,
      images,
      deliveries,
      scripts: scripts.names,
      caches: caches.byMount,
      nonce: randomUUID(),
    });
    if (!rendered.stages.some((stage) => stage.steps.some((step) => step.role === 'work'))) {
      return await withoutSteps(job, { target, images }, context);
    }
    const run = {
      ...job,
      rendered,
      graph,
      request,
      cacheDirectory: caches.directory,
      proxies: proxiesOf(graph.vertices),
    };
    const id = await withStepInputs({ ...env, env: job.buildah.env }, graph, (inputOptions) =>
      runBuild({ buildah: job.buildah, progress }, { ...run, inputOptions }, context),
    );
    completeMerges(graph.vertices, progress);
    return await requireStoredImage(job.buildah, id, context);
  } finally {
    await caches.release();
  }
}

/** The image of a target that adds no layer to what it begins with. */
async function withoutSteps(
  { buildah }: Job,
  { target, images }: { readonly target: VertexId; readonly images: ReadonlyMap<VertexId, { readonly id: string }> },
  context: RunContext,
): Promise<Pick<StoredImage, 'config' | 'manifest'>> {
  const base = images.get(target);
  if (base !== undefined) return requireStoredImage(buildah, base.id, context);
  const config: ImageConfig = { architecture: '', os: '', rootfs: { type: 'layers', diff_ids: [] } };
  const none = { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(''), size: 0 };
  return { config, manifest: { schemaVersion: 2, config: none, layers: [] } };
}

/** A merge is done when the copy that it puts on top is: both are one instruction. */
function completeMerges(vertices: readonly Vertex[], progress: StepProgress): void {
  const verdicts = new Map(progress.reports().map(({ vertex, verdict }) => [vertex, verdict]));
  for (const { id, op, inputs } of vertices) {
    if (op.kind === 'merge') progress.complete(id, verdicts.get(inputs[1]!)!);
    if (op.kind === 'scratch') progress.complete(id, { kind: 'source', reason: 'It is empty.' });
  }
}

function createEnv(job: Job, { loaded, clockMs }: Steps): EngineEnv {
  const { store, lease } = job;
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
): Promise<ReadonlyMap<VertexId, { readonly id: string; readonly env: readonly string[] }>> {
  const images = new Map<VertexId, { readonly id: string; readonly env: readonly string[] }>();
  for (const { id: vertex, op } of lowered.graph.vertices) {
    if (op.kind !== 'image') continue;
    progress.start(vertex);
    const base = lowered.bases.find(({ manifest }) => manifest === op.manifest)!;
    const hasTriggers = (base.config.config?.OnBuild ?? []).length > 0;
    const id = hasTriggers ? await withoutTriggers(job, base, context) : base.id;
    images.set(vertex, { id, env: base.config.config?.Env ?? [] });
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

function scriptsOf(vertices: readonly Vertex[]): {
  readonly names: ReadonlyMap<VertexId, string>;
  readonly texts: ReadonlyMap<string, string>;
} {
  const names = new Map<VertexId, string>();
  const texts = new Map<string, string>();
  for (const { id, op } of vertices) {
    if (op.kind !== 'exec' || op.script === undefined) continue;
    const name = `script-${digestHex(digestOf(op.script)).slice(0, 16)}`;
    names.set(id, name);
    texts.set(name, op.script);
  }
  return { names, texts };
}

function proxiesOf(vertices: readonly Vertex[]): readonly string[] {
  return [...new Set(vertices.flatMap(({ op }) => (op.kind === 'exec' ? op.proxyEnv : [])))];
}

async function nameImage(
  job: Job,
  { image, references }: { readonly image: FinalImage; readonly references: readonly string[] },
  context: RunContext,
): Promise<void> {
  const config = { digest: image.manifest.config.digest, bytes: image.configBytes };
  const id = await importImage(job, { manifestBytes: image.manifestBytes, config, blobs: [] }, context);
  if (references.length === 0) return;
  const subject = { action: `name the image ${references.join(' ')}` };
  await callBuildah(job.buildah, { args: ['tag', id, ...references], subject }, context);
}

interface ResultInput {
  readonly image: FinalImage;
  readonly lowered: LoweredRequest<BuildahBase>;
  readonly references: readonly string[];
  readonly progress: StepProgress;
  readonly durationMs: number;
}

function toResult({ image, lowered, references, progress, durationMs }: ResultInput): BuildResult {
  const layers = image.layers.map(({ diffId, blob }) => ({
    diffId,
    digest: blob.digest,
    mediaType: blob.mediaType,
    sizeBytes: blob.size,
  }));
  return {
    digest: image.descriptor.digest,
    configDigest: image.manifest.config.digest,
    mediaType: image.descriptor.mediaType,
    manifestSizeBytes: image.descriptor.size,
    platform: lowered.platform,
    config: image.config,
    layers,
    sizeBytes: layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
    references,
    steps: progress.reports(),
    durationMs,
    warnings: [],
  };
}
