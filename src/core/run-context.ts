import { BuildError } from './errors.ts';
import type { BuildEvent } from './events.ts';

/** What everything long takes: it can be cancelled (`signal`) and observed (`emit`, which never throws). */
export interface RunContext {
  readonly signal: AbortSignal;
  readonly emit: (event: BuildEvent) => void;
}

/** The same work, told of by somebody else: what it moves is part of something larger. */
export function withoutTransfers({ signal, emit }: RunContext): RunContext {
  return { signal, emit: (event) => (event.kind === 'transfer' ? undefined : emit(event)) };
}

/** @throws BuildError `CANCELLED` once the signal is aborted. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new BuildError('CANCELLED', 'The operation was cancelled.', { cause: signal.reason });
  }
}

/**
 * A controller that aborts with its parent. `unlink` must be called when the work ends: it removes the listener
 * (`AbortSignal.any` on a long-lived parent keeps every child alive).
 */
export function linkedAbort(parent: AbortSignal): {
  readonly controller: AbortController;
  readonly unlink: () => void;
} {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(parent.reason);
  if (parent.aborted) onAbort();
  else parent.addEventListener('abort', onAbort, { once: true });
  return { controller, unlink: () => parent.removeEventListener('abort', onAbort) };
}
