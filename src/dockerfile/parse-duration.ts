import { BuildError } from '../core/index.ts';

const UNITS_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

const PART = /^(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/;
const MAX_NS = 2 ** 63;

/**
 * Reads a duration in Go's notation, such as `1m30s` or `0.5s`, in nanoseconds (exact up to 104 days). `0` needs no unit.
 *
 * @throws BuildError `DOCKERFILE_INVALID`
 */
export function parseDuration(text: string): number {
  const negative = text.startsWith('-');
  let rest = /^[+-]/.test(text) ? text.slice(1) : text;
  if (rest === '0') return 0;
  let total = rest === '' ? Number.NaN : 0;
  while (rest !== '' && !Number.isNaN(total)) {
    const match = PART.exec(rest);
    total +=
      match === null ? Number.NaN : Math.trunc(Number((Number(match[1]) * UNITS_NS[match[2]!]!).toPrecision(15)));
    rest = rest.slice(match?.[0].length ?? 0);
  }
  if (!Number.isNaN(total) && total < MAX_NS) return negative ? 0 - total : total;
  throw new BuildError('DOCKERFILE_INVALID', `"${text}" is not a duration.`, {
    hint: 'Write numbers with units (ns, us, ms, s, m, h), such as 30s or 1m30s.',
  });
}
