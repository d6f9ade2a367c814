import { BuildError, throwIfCancelled } from '../core/index.ts';

/**
 * Work that several may need at once, done once. It ends early only when nobody waits for it any more: who began it may give
 * up, and those beside it still get its result.
 */
export interface SharedWork<V> {
  /** Whether there is work to join under a key. */
  has(key: string): boolean;
  /**
   * The work under way under a key, as one more who waits for it; undefined when there is none. Rejects as the work does, and
   * with `CANCELLED` as soon as `signal` aborts.
   */
  join(key: string, signal: AbortSignal): Promise<V> | undefined;
  /**
   * Begins work that can be found under all of `keys` while it goes on. It gets a signal of its own. Settles with the work,
   * never before: what it uses belongs to who began it.
   */
  run(keys: readonly string[], signal: AbortSignal, work: (signal: AbortSignal) => Promise<V>): Promise<V>;
}

interface Running<V> {
  readonly result: Promise<V>;
  /** True once it was given up: it will not come to a result. */
  isAbandoned(): boolean;
  /** Counts one more who waits, until `leave` is called or the signal aborts. */
  enter(signal: AbortSignal, onAbort?: () => void): { readonly leave: () => void };
}

/** Nothing is remembered of work that is over. */
export function createSharedWork<V>(): SharedWork<V> {
  const running = new Map<string, Running<V>>();
  const find = (key: string): Running<V> | undefined => {
    const known = running.get(key);
    return known?.isAbandoned() === true ? undefined : known;
  };
  return {
    has: (key) => find(key) !== undefined,
    join: (key, signal) => {
      const known = find(key);
      return known === undefined ? undefined : waitFor(known, signal);
    },
    run: async (keys, signal, work) => {
      throwIfCancelled(signal);
      const begun = begin(work);
      const { leave } = begun.enter(signal);
      for (const key of keys) running.set(key, begun);
      try {
        return await begun.result;
      } finally {
        leave();
        for (const key of keys) if (running.get(key) === begun) running.delete(key);
      }
    },
  };
}

function begin<V>(work: (signal: AbortSignal) => Promise<V>): Running<V> {
  const controller = new AbortController();
  let waiting = 0;
  return {
    result: work(controller.signal),
    isAbandoned: () => controller.signal.aborted,
    enter: (signal, onAbort) => {
      waiting += 1;
      const abort = (): void => {
        waiting -= 1;
        if (waiting === 0) controller.abort(signal.reason);
        onAbort?.();
      };
      signal.addEventListener('abort', abort, { once: true });
      return { leave: () => signal.removeEventListener('abort', abort) };
    },
  };
}

function waitFor<V>(running: Running<V>, signal: AbortSignal): Promise<V> {
  return new Promise<V>((resolve, reject) => {
    throwIfCancelled(signal);
    const { leave } = running.enter(signal, () =>
      reject(new BuildError('CANCELLED', 'The operation was cancelled.', { cause: signal.reason })),
    );
    running.result.then(resolve, reject).finally(leave);
  });
}
