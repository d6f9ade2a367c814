import { rm } from 'node:fs/promises';
import { isBuildError, type RunContext } from '../../core/index.ts';
import { createLayerAccess, type LayerAccess, type OpResult } from '../../engine/index.ts';
import { type BaseRequest, baseKey } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { SharedWork, SolverPool } from '../../solver/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import { type FetchDeps, fetchLayer } from './fetch-layer.ts';
import { createLostLayers, type LostLayers } from './lost-layers.ts';
import type { StepEngine } from './op-runner.ts';
import { openExecutor } from './open-executor.ts';
import type { BaseImage } from './resolve-base.ts';

/** Where a build may fetch layers from. */
export type LayerSource = Pick<FetchDeps, 'registry' | 'shared'>;

/** What a build works at. Builds that are one piece of work share one: bases are resolved, fetched and unpacked once. */
export interface Workbench {
  /** Holds everything that is used until the bench is closed. */
  readonly lease: Lease;
  readonly layers: LayerAccess;
  readonly lost: LostLayers;
  readonly pool: SolverPool<OpResult>;
  /** Lets layers be fetched from there too, until the function that is returned is called. */
  addSource(source: LayerSource): () => void;
  /** Resolves an image under a name of the resolution's kind once for all who ask. */
  resolveOnce(kind: string, base: BaseRequest, input: Resolution): Promise<BaseImage>;
  /** What RUN needs; made when it is first asked for. */
  openStepEngine(context: RunContext): Promise<StepEngine>;
  /** Releases the lease, and removes the places of steps: a process that builds for others lives on. */
  close(): Promise<void>;
}

interface Resolution {
  readonly resolve: (base: BaseRequest) => Promise<BaseImage>;
  readonly signal: AbortSignal;
}

export interface WorkbenchDeps {
  readonly store: Store;
  readonly pool: SolverPool<OpResult>;
  /** Layers on their way into the store. */
  readonly fetching: SharedWork<void>;
}

export async function openWorkbench({ store, pool, fetching }: WorkbenchDeps): Promise<Workbench> {
  const lease = await store.openLease();
  const sources = new Set<LayerSource>();
  const lost = createLostLayers();
  const resolving = new Map<string, Promise<BaseImage>>();
  const directories: string[] = [];
  let opening: Promise<StepEngine> | undefined;
  const layers = createLayerAccess({
    store,
    lease,
    fetchLayer: (layer, context) => fetchFromAny({ store, fetching, sources, lost }, layer, context),
  });
  const makeTempDir = async (prefix: string): Promise<string> => {
    const directory = await store.makeTempDir(prefix);
    directories.push(directory);
    return directory;
  };
  const resolveOnce: Workbench['resolveOnce'] = async (kind, base, input) => {
    const key = `${kind} ${baseKey(base)}`;
    const known = resolving.get(key);
    if (known === undefined) {
      const begun = input.resolve(base);
      resolving.set(key, begun);
      begun.catch(() => resolving.delete(key));
      return begun;
    }
    return known.catch((error: unknown) => {
      // Who asked first gave up.
      if (isBuildError(error, 'CANCELLED') && !input.signal.aborted) return resolveOnce(kind, base, input);
      throw error;
    });
  };
  return {
    lease,
    layers,
    lost,
    pool,
    resolveOnce,
    addSource: (source) => {
      sources.add(source);
      return () => sources.delete(source);
    },
    openStepEngine: (context) => {
      opening ??= openStepEngine({ store, layers, makeTempDir }, context).catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      return opening;
    },
    close: async () => {
      await opening?.then(
        ({ snapshots }) => snapshots.close(),
        () => undefined,
      );
      for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
      await lease.release();
    },
  };
}

interface FetchFromAny extends Pick<WorkbenchDeps, 'store' | 'fetching'> {
  readonly sources: ReadonlySet<LayerSource>;
  readonly lost: LostLayers;
}

/** The first source that has it; the first one's failure where none has, and the layer is lost then. */
async function fetchFromAny(
  { store, fetching, sources, lost }: FetchFromAny,
  layer: LayerRef,
  context: RunContext,
): Promise<void> {
  let failure: unknown;
  for (const source of sources) {
    try {
      return await fetchLayer({ store, fetching, ...source }, layer, context);
    } catch (error) {
      if (context.signal.aborted) throw error;
      failure ??= error;
    }
  }
  lost.add(layer, failure);
  throw failure;
}

interface StepEngineDeps {
  readonly store: Store;
  readonly layers: LayerAccess;
  readonly makeTempDir: (prefix: string) => Promise<string>;
}

async function openStepEngine(
  { store, layers, makeTempDir }: StepEngineDeps,
  context: RunContext,
): Promise<StepEngine> {
  const { createSnapshots, runExec } = await import('../../engine/steps.ts');
  const executor = await openExecutor(store.root, makeTempDir, context);
  return { executor, snapshots: createSnapshots({ store, layers, executor }), runExec };
}
