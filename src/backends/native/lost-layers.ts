import {
  type BuildEvent,
  type CacheVerdict,
  type Digest,
  ERROR_CODES,
  type ErrorKind,
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
  /** Layers of base images, by diffId: without one of them nothing can be built. */
  readonly bases: ReadonlyMap<Digest, LayerRef>;
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
  { lost, bases, consequence }: RetryDeps,
  attempt: (attempt: Attempt) => Promise<T>,
  context: RunContext,
): Promise<T> {
  const ran = new Map<string, CacheVerdict>();
  let told = lost.losses.length;
  for (let stale = 0; ; ) {
    // It is no failure of the build when a step finds a layer gone: whether it is one is known when the attempt has ended.
    const failures: BuildEvent[] = [];
    const emit = (event: BuildEvent): void => {
      if (event.kind === 'vertex-failed' && LOSSES.has(ERROR_CODES[event.code].kind)) failures.push(event);
      else context.emit(withVerdict(ran, event));
    };
    const fail = (error: unknown): never => {
      for (const event of failures) context.emit(event);
      throw error;
    };
    try {
      return await attempt({ context: { ...context, emit }, ran });
    } catch (error) {
      if (context.signal.aborted || !isBuildError(error) || !LOSSES.has(error.kind)) return fail(error);
      const losses = lost.losses.slice(told).filter(({ layer }) => !bases.has(layer.diffId));
      told = lost.losses.length;
      stale = losses.length > 0 ? 0 : stale + 1;
      if (stale > (error.kind === 'cancelled' ? MAX_STALE : 0)) return fail(error);
      for (const loss of losses) warn(loss, consequence, context);
    }
  }
}

/** What a missing layer shows itself as, or the work that is broken off for it. A step that fails by itself fails again. */
const LOSSES: ReadonlySet<ErrorKind> = new Set(['corrupt', 'unavailable', 'auth', 'not-found', 'cancelled']);

/** An attempt may wait for work that the one before has broken off, and be cancelled with it: so often, at most. */
const MAX_STALE = 8;

/** A step that ran in an earlier attempt has run, though this one finds its result in the cache. */
function withVerdict(ran: Map<string, CacheVerdict>, event: BuildEvent): BuildEvent {
  if (event.kind !== 'vertex-completed') return event;
  if (event.verdict.kind === 'run') ran.set(event.vertex, event.verdict);
  const verdict = event.verdict.kind === 'cached' ? ran.get(event.vertex) : undefined;
  return verdict === undefined ? event : { ...event, verdict };
}

function warn({ layer: { blob, origin }, reason }: Loss, consequence: string, { emit }: RunContext): void {
  const where = origin === undefined ? '' : ` of ${origin}`;
  const message = `The cached layer ${blob.digest}${where} cannot be had, so ${consequence}: ${reason}`;
  emit({ kind: 'warning', time: Date.now(), code: 'CacheLayerLost', message });
}
