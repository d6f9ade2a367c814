import { BuildError } from '../../core/index.ts';

/** Lets so many builds run at once; the others wait in the order in which they came. */
export interface BuildQueue {
  /**
   * Waits for a place. `onPosition` is told how many builds come first, at once and whenever it changes; it is not called
   * when there is a place.
   *
   * @returns gives the place up; calling it again does nothing.
   * @throws BuildError `CANCELLED` when the signal aborts first.
   */
  enter(signal: AbortSignal, onPosition: (position: number) => void): Promise<() => void>;
  readonly running: number;
  readonly waiting: number;
}

interface Waiter {
  readonly start: () => void;
  readonly onPosition: (position: number) => void;
}

export function createBuildQueue(maxRunning: number): BuildQueue {
  let running = 0;
  const waiters: Waiter[] = [];
  /** Builds that run come before all that wait. */
  const tellFrom = (index: number): void => {
    for (let i = index; i < waiters.length; i++) waiters[i]?.onPosition(running + i);
  };
  const leave = (): void => {
    running -= 1;
    const next = waiters.shift();
    if (next === undefined) return;
    running += 1;
    next.start();
    tellFrom(0);
  };
  const place = (): (() => void) => {
    let isLeft = false;
    return () => {
      if (!isLeft) leave();
      isLeft = true;
    };
  };
  return {
    enter: (signal, onPosition) => {
      if (signal.aborted) return Promise.reject(cancelled(signal));
      if (running < maxRunning) {
        running += 1;
        return Promise.resolve(place());
      }
      return new Promise((resolve, reject) => {
        const giveUp = (): void => {
          const at = waiters.indexOf(waiter);
          waiters.splice(at, 1);
          reject(cancelled(signal));
          tellFrom(at);
        };
        const waiter: Waiter = {
          onPosition,
          start: () => {
            signal.removeEventListener('abort', giveUp);
            resolve(place());
          },
        };
        signal.addEventListener('abort', giveUp, { once: true });
        waiters.push(waiter);
        onPosition(running + waiters.length - 1);
      });
    },
    get running() {
      return running;
    },
    get waiting() {
      return waiters.length;
    },
  };
}

function cancelled(signal: AbortSignal): BuildError {
  return new BuildError('CANCELLED', 'The build was cancelled while it waited for others.', { cause: signal.reason });
}
