import { setTimeout as delay } from 'node:timers/promises';
import { BuildError, isBuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';

/** For how long a lost connection is tried to be made again, and in which steps. */
export interface Patience {
  readonly totalMs: number;
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
}

export const DEFAULT_PATIENCE: Patience = { totalMs: 120_000, firstPauseMs: 200, maxPauseMs: 5_000 };

/** Waiting for a daemon to come back, from one loss of its connection to the next contact. */
export interface Waiting {
  /**
   * Pauses before the next try, a little longer each time. Says the first time that the connection was lost.
   *
   * @throws BuildError the error that is given, once there was no contact for too long; `CANCELLED`.
   */
  pause(error: unknown, context: RunContext): Promise<void>;
  /** The daemon was heard of. */
  contact(): void;
}

export function createWaiting(what: string, patience: Patience = DEFAULT_PATIENCE): Waiting {
  let lostMs: number | undefined;
  let pauseMs = patience.firstPauseMs;
  return {
    pause: async (error, { signal, emit }) => {
      throwIfCancelled(signal);
      const now = Date.now();
      if (lostMs === undefined) {
        lostMs = now;
        const message = `The connection to the build daemon was lost; ${what} as soon as it is back.`;
        emit({ kind: 'warning', time: now, code: 'DAEMON_CONNECTION_LOST', message });
      }
      const leftMs = lostMs + patience.totalMs - now;
      if (leftMs <= 0) throw giveUp(error, patience);
      await delay(Math.min(pauseMs * (0.75 + Math.random() / 2), leftMs), undefined, { signal }).catch(() => undefined);
      throwIfCancelled(signal);
      pauseMs = Math.min(pauseMs * 2, patience.maxPauseMs);
    },
    contact: () => {
      lostMs = undefined;
      pauseMs = patience.firstPauseMs;
    },
  };
}

function giveUp(error: unknown, { totalMs }: Patience): unknown {
  if (!isBuildError(error)) return error;
  const seconds = Math.round(totalMs / 1000);
  return new BuildError(error.code, `${error.message} There was no connection for ${seconds} seconds.`, {
    hint: error.hint,
    cause: error.cause,
  });
}
