/**
 * Waits for work, or gives undefined once `over` is settled, whichever is first. `Promise.race` would keep something of
 * every round for as long as `over` lasts.
 */
export function createGate(over: Promise<unknown>): <T>(work: Promise<T>) => Promise<T | undefined> {
  let isOver = false;
  let leave: (() => void) | undefined;
  const end = (): void => {
    isOver = true;
    leave?.();
  };
  over.then(end, end);
  return (work) =>
    new Promise((resolve, reject) => {
      leave = () => resolve(undefined);
      if (isOver) leave();
      work.then(resolve, reject);
    });
}
