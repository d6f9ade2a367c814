import { throwIfCancelled } from '../core/index.ts';

/** A bounded number of places. `use` waits for one, in the order of asking. */
export interface Slots {
  use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export function createSlots(count: number): Slots {
  let free = Math.max(1, count);
  const waiting: Array<() => void> = [];
  return {
    async use(signal, work) {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        throwIfCancelled(signal);
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else next();
      }
    },
  };
}
