/** Kinds of work that keep a daemon alive. */
export type WorkKind = 'build' | 'push' | 'image' | 'upload' | 'export' | 'session';

/** Counts the work in flight, and tells when there has been none for a time. */
export interface Activity {
  /** Counts one piece of work until the returned function is called; calling it again does nothing. */
  begin(kind: WorkKind): () => void;
  /** Something happened that is no work, but whose maker may be about to ask for some. */
  touch(): void;
  readonly inFlight: number;
  /** Resolves when nothing is in flight; at once when nothing is. */
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
  rest();
  return {
    begin: () => {
      inFlight += 1;
      clearTimeout(timer);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        inFlight -= 1;
        if (inFlight > 0) return;
        for (const wake of waiting) wake();
        waiting.clear();
        rest();
      };
    },
    touch: rest,
    get inFlight() {
      return inFlight;
    },
    whenQuiet: () => (inFlight === 0 ? Promise.resolve() : new Promise((resolve) => waiting.add(resolve))),
    close: () => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
