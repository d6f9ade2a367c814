import { throwIfCancelled } from '../core/index.ts';

/** A place that is taken. */
export interface Slot {
  /** Gives the place to others while something is waited for that is done in a place of its own. */
  lend<T>(wait: () => Promise<T>): Promise<T>;
}

/** A bounded number of places. `use` waits for one, in the order of asking. */
export interface Slots {
  /** @throws BuildError `CANCELLED` when the signal is aborted by the time there is a place. */
  use<T>(signal: AbortSignal, work: (slot: Slot) => Promise<T>): Promise<T>;
}

/** At least one place. */
export function createSlots(count: number): Slots {
  let free = Math.max(1, count);
  const waiting: Array<() => void> = [];
  const enter = async (): Promise<void> => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  const slot: Slot = {
    lend: async (wait) => {
      leave();
      try {
        return await wait();
      } finally {
        await enter();
      }
    },
  };
  return {
    async use(signal, work) {
      await enter();
      try {
        throwIfCancelled(signal);
        return await work(slot);
      } finally {
        leave();
      }
    },
  };
}
