import type { CacheRecord } from '../../cache/index.ts';
import type { Digest, RunContext } from '../../core/index.ts';
import { type EngineEnv, type OpResult, openLocalTree, type TreeResult } from '../../engine/index.ts';
import { type BaseRequest, CONTEXT_NAME, localName } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import { type Outcomes, type SharedWork, solve } from '../../solver/index.ts';
import type { Store } from '../../store/index.ts';
import { defaultParallelism } from '../default-parallelism.ts';
import { announcePlan } from '../request/announce-plan.ts';
import { type LoweredBuild, lowerPlatforms } from '../request/lower-platforms.ts';
import { createSecretProvider } from '../request/secrets.ts';
import { sourceDateEpochOf } from '../request/source-date-epoch.ts';
import { watchWarnings } from '../request/watch-warnings.ts';
import type { ContextDirectory, LoadedRequest } from '../types.ts';
import { type CacheMounts, openCacheMounts } from './cache-mounts.ts';
import { type CacheTargets, openCacheTargets } from './cache-targets.ts';
import { createOpRunner } from './op-runner.ts';
import { requireEmulation } from './require-emulation.ts';
import type { BaseImage } from './resolve-base.ts';
import { resolveImage } from './resolve-image.ts';
import { rightsOf } from './rights-of.ts';
import { openSharedCaches, type SharedCaches } from './shared-caches.ts';
import { createStepCache } from './step-cache.ts';
import type { Workbench } from './workbench.ts';

/** What a build works with: the client may have the request's own sign-ins. */
export interface BuildDeps {
  readonly store: Store;
  readonly registry: () => Promise<RegistryClient>;
  /** Layers on their way into the store. */
  readonly fetching: SharedWork<void>;
  readonly bench: Workbench;
}

/** A request that is ready to be solved, once or again. */
export interface PreparedBuild {
  readonly loaded: LoadedRequest;
  readonly lowered: LoweredBuild<BaseImage>;
  readonly shared: SharedCaches;
  /** Where the build will leave its results. */
  readonly targets: CacheTargets;
  readonly mounts: CacheMounts;
  readonly clockMs: number;
  /** SOURCE_DATE_EPOCH, in seconds, when it is given: everything has its time. */
  readonly epoch: number | undefined;
  readonly context: RunContext;
  readonly refuseWarnings: () => void;
  /** Layers of base images, by diffId, as they were resolved for this build. */
  readonly bases: ReadonlyMap<Digest, LayerRef>;
  close(): Promise<void>;
}

/** A prepared build with the results of all its steps. */
export interface SolvedBuild extends PreparedBuild {
  readonly outcomes: Outcomes<OpResult>;
  /** Results that went through the cache, for other builders. */
  readonly records: readonly CacheRecord[];
}

/** Lowers a request. Its shared caches are read meanwhile. */
export async function prepareBuild(deps: BuildDeps, loaded: LoadedRequest, outer: RunContext): Promise<PreparedBuild> {
  const { request } = loaded;
  const { context, refuseWarnings } = watchWarnings(outer, request.strict ?? false);
  const epoch = sourceDateEpochOf(request);
  const mounts = await openCacheMounts(deps, request);
  const targets = await openCacheTargets(deps, request.cacheTo ?? [], context);
  const shared = openSharedCaches(deps.registry, request.cacheFrom ?? [], context);
  const close = async (): Promise<void> => {
    await shared.close();
    await targets.close();
    await mounts.close();
  };
  try {
    const lowered = await lower(deps, loaded, context);
    refuseWarnings();
    announcePlan(lowered.graph, context);
    const clockMs = epoch === undefined ? Date.now() : epoch * 1000;
    const allBases = lowered.images.flatMap((image) => image.bases);
    const bases = new Map(allBases.flatMap((base) => base.layers.map((layer) => [layer.diffId, layer] as const)));
    return { loaded, lowered, shared, targets, mounts, clockMs, epoch, context, refuseWarnings, bases, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function lower(deps: BuildDeps, loaded: LoadedRequest, context: RunContext): Promise<LoweredBuild<BaseImage>> {
  const { store, bench } = deps;
  const { request } = loaded;
  const resolveDeps = { store, client: deps.registry, pull: request.pull ?? 'missing' } as const;
  const resolve = (base: BaseRequest): Promise<BaseImage> => resolveImage(resolveDeps, base, context);
  const { signal } = context;
  // Sign-ins of its own may find other images, or be refused.
  const kind = request.credentials === undefined ? resolveDeps.pull : undefined;
  return lowerPlatforms(
    (base) => (kind === undefined ? resolve(base) : bench.resolveOnce(kind, base, { resolve, signal })),
    loaded,
    context,
  );
}

/** Evaluates the graph of a request, or only tells what would run. */
export async function solveBuild(
  deps: BuildDeps,
  { prepared, mode }: { readonly prepared: PreparedBuild; readonly mode: 'run' | 'plan' },
  context: RunContext,
): Promise<SolvedBuild> {
  const { loaded, lowered, shared, targets, mounts, clockMs, epoch, refuseWarnings, bases } = prepared;
  const { request } = loaded;
  const { store, bench } = deps;
  const { lease, layers, pool, lost } = bench;
  const env: EngineEnv = {
    store,
    lease,
    layers,
    secrets: createSecretProvider(request.secrets ?? {}),
    sshAgents: new Map(Object.entries(request.ssh ?? {})),
    cacheMounts: mounts.travel,
    clockSeconds: Math.floor(clockMs / 1000),
    ...(request.rewriteTimestamp && epoch !== undefined ? { clampMtime: epoch } : {}),
  };
  const trees = createLocalTrees(env, loaded);
  const runner = createOpRunner({
    env,
    baseLayers: new Map(
      lowered.images.flatMap((image) => image.bases.map((base) => [base.manifest, base.layers] as const)),
    ),
    localTree: trees.open,
    openStepEngine: bench.openStepEngine,
    rightsOf: (vertex) => rightsOf(vertex, request),
  });
  const input = {
    graph: lowered.graph,
    parallelism: request.parallelism ?? defaultParallelism(),
    mode,
  };
  const cache = createStepCache({ store, lease, shared, lost, bases, onMade: targets.stage });
  if (mode === 'run') {
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
  return { ...prepared, outcomes, records: cache.records() };
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
