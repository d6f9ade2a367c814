/** Runs a task for each item, at most `limit` at once, in order; the promises are given at once. */
export function runLimited<T, R>(
  items: readonly T[],
  limit: number,
  task: (item: T) => Promise<R>,
): readonly Promise<R>[] {
  const waiting: Array<() => void> = [];
  let free = limit;
  const acquire = (): Promise<void> => {
    if (free === 0) return new Promise((resolve) => void waiting.push(resolve));
    free -= 1;
    return Promise.resolve();
  };
  const release = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return items.map(async (item) => {
    await acquire();
    try {
      return await task(item);
    } finally {
      release();
    }
  });
}
