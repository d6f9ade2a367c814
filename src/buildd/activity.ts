/** Kinds of work that keep a daemon alive. `result` is the end of a build that its client has not got yet. */
export type WorkKind = 'build' | 'push' | 'image' | 'upload' | 'export' | 'session' | 'result';

/** Counts the work in flight, and tells when there has been none for a time. */
export interface Activity {
  /** Counts one piece of work until the returned function is called; calling it again does nothing. */
  begin(kind: WorkKind): () => void;
  /** Something happened that is no work, but whose maker may be about to ask for some. */
  touch(): void;
  readonly inFlight: number;
  /** Resolves when nothing is in flight but results that wait for their clients; at once when nothing is. */
  whenQuiet(): Promise<void>;
  close(): void;
}

export interface ActivityOptions {
  /** Milliseconds without work after which `onIdle` is called, once; 0 is never. */
  readonly idleMs: number;
  readonly onIdle: () => void;
}

export function createActivity({ idleMs, onIdle }: ActivityOptions): Activity {
  let inFlight = 0;
  let results = 0;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  const waiting = new Set<() => void>();
  const rest = (): void => {
    clearTimeout(timer);
    if (isClosed || idleMs === 0 || inFlight > 0) return;
    timer = setTimeout(() => {
      isClosed = true;
      onIdle();
    }, idleMs);
  };
  const wakeAll = (): void => {
    for (const wake of waiting) wake();
    waiting.clear();
  };
  rest();
  return {
    begin: (kind) => {
      const isResult = kind === 'result';
      inFlight += 1;
      if (isResult) results += 1;
      clearTimeout(timer);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        inFlight -= 1;
        if (isResult) results -= 1;
        if (inFlight === results) wakeAll();
        rest();
      };
    },
    touch: rest,
    get inFlight() {
      return inFlight;
    },
    whenQuiet: () => (inFlight === results ? Promise.resolve() : new Promise((resolve) => waiting.add(resolve))),
    close: () => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
