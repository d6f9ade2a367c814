import {
  type BuildEvent,
  type CacheVerdict,
  type Digest,
  isBuildError,
  type RunContext,
  toBuildError,
} from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';

/** Layers of cached results that turned out to be nowhere: no such result counts from then on. */
export interface LostLayers {
  has(layer: LayerRef): boolean;
  /** With a registry that cannot be reached, all that lies there is lost. */
  add(layer: LayerRef, error: unknown): void;
  readonly losses: readonly Loss[];
}

interface Loss {
  readonly layer: LayerRef;
  readonly reason: string;
}

export function createLostLayers(): LostLayers {
  const digests = new Set<Digest>();
  /** Undefined stands for what no registry has. */
  const origins = new Set<string | undefined>();
  const losses: Loss[] = [];
  return {
    losses,
    has: ({ blob, origin }) => digests.has(blob.digest) || origins.has(origin),
    add: (layer, thrown) => {
      const { kind, message } = toBuildError(thrown);
      if (digests.has(layer.blob.digest)) return;
      digests.add(layer.blob.digest);
      if (kind === 'unavailable' || kind === 'auth') origins.add(layer.origin);
      losses.push({ layer, reason: message });
    },
  };
}

export interface RetryDeps {
  readonly lost: LostLayers;
  /** Layers of base images: without one of them nothing can be built. */
  readonly isBase: (layer: LayerRef) => boolean;
  /** What comes of it, for the warning: `its step runs`. */
  readonly consequence: string;
}

/** What an attempt is told: its context, and what earlier attempts have run, which it finds in the cache. */
export interface Attempt {
  readonly context: RunContext;
  readonly ran: ReadonlyMap<string, CacheVerdict>;
}

/**
 * Builds, and once more for every layer of a cached result that was lost when something needed it: a warning tells, and its
 * step runs. Each attempt loses a layer that the one before still had.
 */
export async function retryWithoutLost<T>(
  { lost, isBase, consequence }: RetryDeps,
  attempt: (attempt: Attempt) => Promise<T>,
  context: RunContext,
): Promise<T> {
  const ran = new Map<string, CacheVerdict>();
  for (;;) {
    const before = lost.losses.length;
    const emit = (event: BuildEvent): void => {
      // It is no failure of the build when a step finds a layer gone.
      if (event.kind === 'vertex-failed' && lost.losses.length > before) return;
      context.emit(withVerdict(ran, event));
    };
    try {
      return await attempt({ context: { ...context, emit }, ran });
    } catch (error) {
      const losses = lost.losses.slice(before).filter(({ layer }) => !isBase(layer));
      if (losses.length === 0 || context.signal.aborted || !mayBeLoss(error)) throw error;
      for (const loss of losses) warn(loss, consequence, context);
    }
  }
}

/** A step that ran in an earlier attempt has run, though this one finds its result in the cache. */
function withVerdict(ran: Map<string, CacheVerdict>, event: BuildEvent): BuildEvent {
  if (event.kind !== 'vertex-completed') return event;
  if (event.verdict.kind === 'run') ran.set(event.vertex, event.verdict);
  const verdict = event.verdict.kind === 'cached' ? ran.get(event.vertex) : undefined;
  return verdict === undefined ? event : { ...event, verdict };
}

/** A step that failed by itself fails again; the work that was broken off for another's loss does not. */
function mayBeLoss(error: unknown): boolean {
  return isBuildError(error) && ['corrupt', 'unavailable', 'auth', 'not-found', 'cancelled'].includes(error.kind);
}

function warn({ layer: { blob, origin }, reason }: Loss, consequence: string, { emit }: RunContext): void {
  const where = origin === undefined ? '' : ` of ${origin}`;
  const message = `The cached layer ${blob.digest}${where} cannot be had, so ${consequence}: ${reason}`;
  emit({ kind: 'warning', time: Date.now(), code: 'CacheLayerLost', message });
}
