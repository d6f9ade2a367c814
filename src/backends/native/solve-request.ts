import { availableParallelism } from 'node:os';
import type { CacheRecord } from '../../cache/index.ts';
import { BuildError, type RunContext } from '../../core/index.ts';
import { type EngineEnv, type OpResult, openLocalTree, type TreeResult } from '../../engine/index.ts';
import { type BaseRequest, CONTEXT_NAME, type Graph, localName } from '../../graph/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import { type Outcomes, type SharedWork, solve } from '../../solver/index.ts';
import type { Store } from '../../store/index.ts';
import { createSecretProvider } from '../request/secrets.ts';
import { watchWarnings } from '../request/watch-warnings.ts';
import type { ContextDirectory, LoadedRequest } from '../types.ts';
import { type LoweredBuild, lowerPlatforms } from './lower-platforms.ts';
import { createOpRunner } from './op-runner.ts';
import { requireEmulation } from './require-emulation.ts';
import type { BaseImage } from './resolve-base.ts';
import { resolveImage } from './resolve-image.ts';
import { rightsOf } from './rights-of.ts';
import { openSharedCaches, type SharedCaches } from './shared-caches.ts';
import { createStepCache } from './step-cache.ts';
import type { Workbench } from './workbench.ts';

/** Steps that mostly wait run well beyond the number of cores. */
const MIN_PARALLELISM = 4;

/** What a build works with: the client may have the request's own sign-ins. */
export interface BuildDeps {
  readonly store: Store;
  readonly registry: () => Promise<RegistryClient>;
  /** Layers on their way into the store. */
  readonly fetching: SharedWork<void>;
  readonly bench: Workbench;
}

export interface SolveJob {
  readonly loaded: LoadedRequest;
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
  const { loaded } = job;
  const { request } = loaded;
  const { store, bench } = deps;
  const { lease, layers, pool } = bench;
  const { context, refuseWarnings } = watchWarnings(outer, request.strict ?? false);
  const resolveDeps = { store, client: deps.registry, pull: request.pull ?? 'missing' } as const;
  const resolve = (base: BaseRequest): Promise<BaseImage> => resolveImage(resolveDeps, base, context);
  const { signal } = context;
  // Sign-ins of its own may find other images, or be refused.
  const kind = request.credentials === undefined ? resolveDeps.pull : undefined;
  const lowered = await lowerPlatforms(
    (base) => (kind === undefined ? resolve(base) : bench.resolveOnce(kind, base, { resolve, signal })),
    loaded,
    context,
  );
  refuseWarnings();
  const shared = openSharedCaches(deps.registry, request.cacheFrom ?? [], context);
  announce(lowered.graph, context);
  const epoch = epochOf(loaded);
  const clockMs = epoch === undefined ? Date.now() : epoch * 1000;
  const env: EngineEnv = {
    store,
    lease,
    layers,
    secrets: createSecretProvider(request.secrets ?? {}),
    sshAgents: new Map(Object.entries(request.ssh ?? {})),
    clockSeconds: Math.floor(clockMs / 1000),
    ...(request.rewriteTimestamp && epoch !== undefined ? { clampMtime: epoch } : {}),
  };
  const trees = createLocalTrees(env, loaded);
  const bases = lowered.images.flatMap((image) => image.bases);
  const runner = createOpRunner({
    env,
    baseLayers: new Map(bases.map((base) => [base.manifest, base.layers])),
    localTree: trees.open,
    openStepEngine: bench.openStepEngine,
    rightsOf: (vertex) => rightsOf(vertex, request),
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
  const removeSource = bench.addSource({ registry: deps.registry, shared });
  const solving = solve({ runner, cache, pool }, input, context);
  const outcomes = await solving.finally(async () => {
    removeSource();
    await trees.saveDigests();
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
