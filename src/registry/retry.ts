import { throwIfCancelled } from '../core/index.ts';

/** The clock, sleep and dice of a client; replaced in tests so that nothing waits. */
export interface Timing {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Rejects with the signal's reason when it aborts. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** A number from 0 up to, but not including, 1. */
  readonly random: () => number;
}

/** The real clock, sleep and dice. */
export const SYSTEM_TIMING: Timing = {
  now: () => Date.now(),
  sleep: (milliseconds, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const finish = (): void => {
        signal.removeEventListener('abort', cancel);
        resolve();
      };
      const timer = setTimeout(finish, milliseconds);
      const cancel = (): void => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      signal.addEventListener('abort', cancel, { once: true });
    }),
  random: () => Math.random(),
};

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 20_000;
/** Longer waits that a registry asks for are not waited out: the user is told instead. */
export const LONGEST_RETRY_AFTER_MS = 60_000;

/** Doubles with every failure up to 20 s; the upper half is random, so that clients that failed together come back apart. */
export function backoffDelay(failures: number, random: number): number {
  const full = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
  return Math.round(full / 2 + (full / 2) * random);
}

/** Reads `Retry-After`, seconds or a date (RFC 9110, 10.2.3), as milliseconds from `now`. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Whether an HTTP status may be another one soon. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

/** What one attempt came to: a value, or a failure that may pass, with the wait that the other side asked for. */
export type Attempt<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: unknown; readonly attemptsAllowed: number; readonly waitMs?: number };

/** Runs `attempt` until it is done, its failures use up the attempts allowed, or the wait asked for is too long. */
export async function retry<T>(
  timing: Timing,
  attempt: (number: number) => Promise<Attempt<T>>,
  signal: AbortSignal,
): Promise<T> {
  for (let number = 1; ; number += 1) {
    throwIfCancelled(signal);
    const outcome = await attempt(number);
    if (outcome.kind === 'done') return outcome.value;
    const waitMs = outcome.waitMs ?? 0;
    if (number >= outcome.attemptsAllowed || waitMs > LONGEST_RETRY_AFTER_MS) throw outcome.error;
    await pause(timing, Math.max(waitMs, backoffDelay(number, timing.random())), signal);
  }
}

/** Sleeps. @throws BuildError `CANCELLED` when the signal aborts. */
export async function pause(timing: Timing, milliseconds: number, signal: AbortSignal): Promise<void> {
  await timing.sleep(milliseconds, signal).catch((error: unknown) => {
    throwIfCancelled(signal);
    throw error;
  });
}
