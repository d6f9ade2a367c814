import { createSharedWork, createSlots, type SharedWork } from '../../solver/index.ts';
import type { Store } from '../../store/index.ts';
import type { Together } from '../backend-deps.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

/** The benches of a backend. */
export interface Workbenches {
  /** Layers on their way into the store, for whatever build. */
  readonly fetching: SharedWork<void>;
  /** Works at a bench: one for each build, or the same for all where they are one piece of work. */
  use<T>(work: (bench: Workbench) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A step that several builds need at the same time is run once in any case. */
export function createWorkbenches(store: Store, together: Together | undefined): Workbenches {
  const running: Workbench['pool']['running'] = createSharedWork();
  const fetching = createSharedWork<void>();
  const deps = { store, fetching };
  if (together !== undefined) {
    const pool = { running, slots: createSlots(together.parallelism), ran: new Set<string>() };
    let opening: Promise<Workbench> | undefined;
    return {
      fetching,
      use: async (work) => {
        opening ??= openWorkbench({ ...deps, pool });
        return work(await opening);
      },
      close: async () => (await opening)?.close(),
    };
  }
  return {
    fetching,
    use: async (work) => {
      const bench = await openWorkbench({ ...deps, pool: { running } });
      try {
        return await work(bench);
      } finally {
        await bench.close();
      }
    },
    close: async () => undefined,
  };
}
