/** Messages that are sent as they come: what is put in is taken out by one reader, in order. */
export interface Outbox<T> extends AsyncIterable<T> {
  put(message: T): void;
  /** The reader ends after what is left. */
  end(): void;
}

export function createOutbox<T>(): Outbox<T> {
  const waiting: T[] = [];
  let isEnded = false;
  let wake: (() => void) | undefined;
  const ring = (): void => {
    wake?.();
    wake = undefined;
  };
  return {
    put: (message) => {
      waiting.push(message);
      ring();
    },
    end: () => {
      isEnded = true;
      ring();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (waiting.length > 0) yield waiting.shift()!;
        if (isEnded) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
