import { setMaxListeners } from 'node:events';
import { throwIfCancelled } from '../core/index.ts';

/** Lets a bounded number of holders in at once, in the order in which they came. */
export interface ConcurrencyLimit {
  /** Waits for a place; the function returned gives it back and may be called more than once. */
  enter(signal: AbortSignal): Promise<() => void>;
}

export function createConcurrencyLimit(places: number): ConcurrencyLimit {
  let free = places;
  const waiting = new Set<() => void>();
  const leave = (): void => {
    const [next] = waiting;
    if (next === undefined) {
      free += 1;
      return;
    }
    waiting.delete(next);
    next();
  };
  const ticket = (): (() => void) => {
    let held = true;
    return () => {
      if (held) leave();
      held = false;
    };
  };
  return {
    enter: async (signal) => {
      throwIfCancelled(signal);
      if (free > 0) {
        free -= 1;
        return ticket();
      }
      // All who wait listen to one signal, and stop to when they are let in: no leak.
      setMaxListeners(0, signal);
      const admitted = await new Promise<boolean>((resolve) => {
        const admit = (): void => {
          signal.removeEventListener('abort', giveUp);
          resolve(true);
        };
        const giveUp = (): void => {
          waiting.delete(admit);
          resolve(false);
        };
        waiting.add(admit);
        signal.addEventListener('abort', giveUp, { once: true });
      });
      if (!admitted) throwIfCancelled(signal);
      return ticket();
    },
  };
}
