import type { BuildBackend } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';
import type { ServedCall } from '../../rpc/index.ts';
import type { Activity, WorkKind } from '../activity.ts';
import type { BuildRegistry } from '../builds/build-registry.ts';
import type { BuildQueue } from '../builds/queue.ts';
import type { ContextStore } from '../contexts/context-store.ts';
import type { DaemonPolicy } from '../request/daemon-policy.ts';

/** What the methods of a daemon share. */
export interface DaemonState {
  readonly version: string;
  readonly storageRoot: string;
  readonly maxConcurrent: number;
  readonly policy: DaemonPolicy;
  readonly backend: () => Promise<BuildBackend>;
  readonly contexts: ContextStore;
  readonly builds: BuildRegistry;
  readonly queue: BuildQueue;
  readonly activity: Activity;
  /** Aborted when the daemon will not wait any longer for the work that runs. */
  readonly stopping: AbortSignal;
  /** True once no new work is taken. */
  isDraining(): boolean;
}

/** Who calls, as the digits under which its builds and contexts are kept. @throws BuildError `INTERNAL` without a certificate. */
export function identityOf({ peer }: ServedCall): string {
  if (peer.keyDigest !== undefined) return peer.keyDigest;
  throw new BuildError('INTERNAL', 'A client without a certificate was let in.');
}

/** @throws BuildError `DAEMON_STOPPING` once the daemon is about to end. */
export function requireServing(state: DaemonState): void {
  if (!state.isDraining()) return;
  throw new BuildError('DAEMON_STOPPING', 'The build daemon is about to end and takes no new work.', {
    hint: 'Try again in a moment: a new one is started, or starts by itself.',
  });
}

/**
 * Does one piece of work: it keeps the daemon alive, and is cancelled with its call and when the daemon must end.
 *
 * @throws BuildError `DAEMON_STOPPING`
 */
export async function doWork<T>(
  state: DaemonState,
  { kind, call }: { readonly kind: WorkKind; readonly call: ServedCall },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  requireServing(state);
  const end = state.activity.begin(kind);
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  for (const signal of [call.signal, state.stopping]) {
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  }
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of [call.signal, state.stopping]) signal.removeEventListener('abort', abort);
    end();
  }
}
