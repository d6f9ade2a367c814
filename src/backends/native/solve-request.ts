import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { CacheRecord } from '../../cache/index.ts';
import { BuildError, type RunContext } from '../../core/index.ts';
import {
  createLayerAccess,
  type EngineEnv,
  type OpResult,
  openLocalTree,
  type TreeResult,
} from '../../engine/index.ts';
import { CONTEXT_NAME, type Graph, localName } from '../../graph/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import { type Outcomes, solve } from '../../solver/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import { createSecretProvider } from '../request/secrets.ts';
import { watchWarnings } from '../request/watch-warnings.ts';
import type { ContextDirectory, LoadedRequest } from '../types.ts';
import { fetchLayer } from './fetch-layer.ts';
import { type LoweredBuild, lowerPlatforms } from './lower-platforms.ts';
import { createOpRunner, type StepEngine } from './op-runner.ts';
import { openExecutor } from './open-executor.ts';
import { requireEmulation } from './require-emulation.ts';
import { resolveImage } from './resolve-image.ts';
import { openSharedCaches, type SharedCaches } from './shared-caches.ts';
import { createStepCache } from './step-cache.ts';

/** Steps that mostly wait run well beyond the number of cores. */
const MIN_PARALLELISM = 4;

/** What a build works with: the client may have the request's own sign-ins. */
export interface BuildDeps {
  readonly store: Store;
  readonly registry: () => Promise<RegistryClient>;
}

export interface SolveJob {
  readonly loaded: LoadedRequest;
  readonly lease: Lease;
  readonly mode: 'run' | 'plan';
}

/** A request with the results of all its steps. */
export interface SolvedBuild {
  readonly lowered: LoweredBuild;
  readonly outcomes: Outcomes<OpResult>;
  readonly shared: SharedCaches;
  /** Results that went through the cache, for other builders. */
  readonly records: readonly CacheRecord[];
  readonly clockMs: number;
  /** SOURCE_DATE_EPOCH is given: everything has its time. */
  readonly fixedClock: boolean;
}

/** Lowers a request and evaluates its graph, or only tells what would run. */
export async function solveRequest(deps: BuildDeps, job: SolveJob, outer: RunContext): Promise<SolvedBuild> {
  const { loaded, lease } = job;
  const { request } = loaded;
  const { store } = deps;
  const { context, refuseWarnings } = watchWarnings(outer, request.strict ?? false);
  const resolveDeps = { store, client: deps.registry, pull: request.pull ?? 'missing' } as const;
  const lowered = await lowerPlatforms((base) => resolveImage(resolveDeps, base, context), loaded, context);
  refuseWarnings();
  const shared = openSharedCaches(deps.registry, request.cacheFrom ?? [], context);
  announce(lowered.graph, context);
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
  const steps = createStepEngineOpener(env);
  const bases = lowered.images.flatMap((image) => image.bases);
  const runner = createOpRunner({
    env,
    baseLayers: new Map(bases.map((base) => [base.manifest, base.layers])),
    localTree: trees.open,
    openStepEngine: steps.open,
  });
  const input = {
    graph: lowered.graph,
    parallelism: request.parallelism ?? Math.max(MIN_PARALLELISM, availableParallelism()),
    mode: job.mode,
  };
  const cache = createStepCache({ store, lease, shared });
  if (job.mode === 'run') {
    const plan = (inner: RunContext) => solve({ runner, cache }, { ...input, mode: 'plan' }, inner);
    await requireEmulation({ store, plan }, lowered.graph, context);
  }
  const solving = solve({ runner, cache }, input, context);
  const outcomes = await solving.finally(async () => {
    await trees.saveDigests();
    await steps.close();
  });
  refuseWarnings();
  return { lowered, outcomes, shared, records: cache.records(), clockMs, fixedClock: epoch !== undefined };
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

function announce(graph: Graph, context: RunContext): void {
  const vertices = graph.vertices.map((vertex, index) => ({
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

interface StepEngineOpener {
  open(context: RunContext): Promise<StepEngine>;
  /** Removes the places of steps: a process that builds for others lives on. */
  close(): Promise<void>;
}

function createStepEngineOpener(env: EngineEnv): StepEngineOpener {
  let opening: Promise<StepEngine> | undefined;
  const directories: string[] = [];
  const makeTempDir = async (prefix: string): Promise<string> => {
    const directory = await env.store.makeTempDir(prefix);
    directories.push(directory);
    return directory;
  };
  return {
    open: (context) => {
      opening ??= openStepEngine(env, makeTempDir, context);
      return opening;
    },
    close: async () => {
      for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
    },
  };
}

async function openStepEngine(
  env: EngineEnv,
  makeTempDir: (prefix: string) => Promise<string>,
  context: RunContext,
): Promise<StepEngine> {
  const { store, layers } = env;
  const { createSnapshots, runExec } = await import('../../engine/steps.ts');
  const executor = await openExecutor(store.root, makeTempDir, context);
  return { executor, snapshots: createSnapshots({ store, layers, executor }), runExec };
}
