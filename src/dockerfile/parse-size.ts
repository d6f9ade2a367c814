import { BuildError } from '../core/index.ts';

const SIZE = /^(\d+\.?\d*|\.\d+)\s?([kmgtp]?)(?:i?b)?$/i;
const EXPONENTS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/**
 * Reads a size in bytes with binary units: `64m`, `1.5 GiB`, `512` (docker's `go-units`, `RAMInBytes`).
 *
 * @throws BuildError `DOCKERFILE_INVALID`
 */
export function parseSize(text: string): number {
  const match = SIZE.exec(text);
  const sizeBytes =
    match === null ? Number.NaN : Math.trunc(Number(match[1]) * 1024 ** EXPONENTS[match[2]!.toLowerCase()]!);
  if (Number.isSafeInteger(sizeBytes)) return sizeBytes;
  throw new BuildError('DOCKERFILE_INVALID', `"${text}" is not a size.`, {
    hint: 'Write a number with an optional unit (k, m, g, t), such as 64m.',
  });
}
