import { BuildError } from '../../core/index.ts';
import type { BuildRequest } from '../types.ts';

/** SOURCE_DATE_EPOCH of a request, by option or build arg, in seconds. @throws BuildError `USAGE` when it is no number. */
export function sourceDateEpochOf({ sourceDateEpoch, buildArgs }: BuildRequest): number | undefined {
  const text = buildArgs?.['SOURCE_DATE_EPOCH'];
  if (sourceDateEpoch !== undefined) return sourceDateEpoch;
  if (text === undefined || text === '') return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new BuildError('USAGE', `SOURCE_DATE_EPOCH=${text} is not a number of seconds.`);
}
