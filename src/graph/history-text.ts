import type { Healthcheck } from '../oci/index.ts';

/** A list of words as the reference writes it into the history: `["sh" "-c" "x"]`. */
export function quoteWords(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;
}

/** A health check as the reference writes it: every field by name, durations as `1m30s`. */
export function formatHealthcheck(check: Healthcheck): string {
  const { Test: test = [], Interval, Timeout, StartPeriod, StartInterval, Retries: retries = 0 } = check;
  const durations = Object.entries({ Interval, Timeout, StartPeriod, StartInterval });
  const fields = durations.map(([name, value = 0]) => `${name}:${formatDuration(value)}`);
  return `{Test:[${test.join(' ')}] ${fields.join(' ')} Retries:${retries}}`;
}

const SECOND_NS = 1e9;

/** Nanoseconds as Go prints them: the largest unit below a second, else hours, minutes and seconds. */
function formatDuration(ns: number): string {
  if (ns === 0) return '0s';
  if (ns < 1e3) return `${ns}ns`;
  if (ns < 1e6) return `${ns / 1e3}µs`;
  if (ns < SECOND_NS) return `${ns / 1e6}ms`;
  const minutes = Math.floor(ns / (60 * SECOND_NS));
  const seconds = `${(ns - minutes * 60 * SECOND_NS) / SECOND_NS}s`;
  const hours = Math.floor(minutes / 60);
  if (hours > 0) return `${hours}h${minutes % 60}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
