/** Messages on their way out, which are sent as they come. */
export interface Outbox<T> {
  send(message: T): void;
  end(): void;
  readonly messages: AsyncGenerator<T, void, undefined>;
}

export function createOutbox<T>(): Outbox<T> {
  const waiting: T[] = [];
  let isEnded = false;
  let wake = (): void => undefined;
  async function* deliver(): AsyncGenerator<T, void, undefined> {
    for (;;) {
      yield* waiting.splice(0);
      if (isEnded) return;
      if (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }
  return {
    messages: deliver(),
    send: (message) => {
      waiting.push(message);
      wake();
    },
    end: () => {
      isEnded = true;
      wake();
    },
  };
}
