import { createHash, randomUUID } from 'node:crypto';
import { FunctionError } from '../evaluate.ts';
import type { Value } from '../values.ts';
import { type FunctionTable, text } from './signature.ts';

/** Encodings, digests and times. */
export function createEncodingFunctions(nowMs: () => number): FunctionTable {
  return {
    base64decode: (value) => Buffer.from(text(value), 'base64').toString(),
    base64encode: (value) => Buffer.from(text(value)).toString('base64'),
    csvdecode: (value) => decodeCsv(text(value)),
    formatdate: (pattern, time) => formatDate(text(pattern), parseTime(text(time))),
    jsondecode: (value) => decodeJson(text(value)),
    jsonencode: (value) => JSON.stringify(value),
    md5: (value) => hash('md5', text(value)),
    sha1: (value) => hash('sha1', text(value)),
    sha256: (value) => hash('sha256', text(value)),
    sha512: (value) => hash('sha512', text(value)),
    timeadd: (time, duration) => toRfc3339(parseTime(text(time)) + parseDuration(text(duration))),
    timestamp: () => toRfc3339(nowMs()),
    urlencode: (value) => encodeURIComponent(text(value)).replaceAll('%20', '+'),
    uuidv4: () => randomUUID(),
  };
}

function hash(algorithm: string, value: string): string {
  return createHash(algorithm).update(value).digest('hex');
}

function decodeJson(value: string): Value {
  try {
    return JSON.parse(value) as Value;
  } catch (error) {
    throw new FunctionError(`the text is no JSON: ${(error as Error).message}`);
  }
}

function decodeCsv(value: string): Value {
  const rows = value
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
        ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
      ),
    );
  const [names = [], ...records] = rows;
  return records.map((record) => Object.fromEntries(names.map((name, at) => [name, record[at] ?? ''])));
}

function parseTime(value: string): number {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) throw new FunctionError(`${JSON.stringify(value)} is no time of RFC 3339`);
  return time;
}

function toRfc3339(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function parseDuration(value: string): number {
  if (!/^-?(?:\d+(?:\.\d+)?(?:ms|[smh]))+$/.test(value))
    throw new FunctionError(`${JSON.stringify(value)} is no duration`);
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|[smh])/g)];
  const sum = parts.reduce((total, [, amount, unit]) => total + Number(amount) * UNITS_MS[unit!]!, 0);
  return value.startsWith('-') ? -sum : sum;
}

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** Terraform's notation: repeated letters are fields, what stands in quotes is itself. Times are in UTC. */
function formatDate(pattern: string, timeMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const hour = date.getUTCHours();
  const fields: Readonly<Record<string, string>> = {
    YYYY: String(date.getUTCFullYear()),
    YY: two(date.getUTCFullYear() % 100),
    MMMM: MONTHS[date.getUTCMonth()]!,
    MMM: MONTHS[date.getUTCMonth()]!.slice(0, 3),
    MM: two(date.getUTCMonth() + 1),
    M: String(date.getUTCMonth() + 1),
    DD: two(date.getUTCDate()),
    D: String(date.getUTCDate()),
    EEEE: DAYS[date.getUTCDay()]!,
    EEE: DAYS[date.getUTCDay()]!.slice(0, 3),
    hh: two(hour),
    h: String(hour),
    HH: two(hour % 12 || 12),
    H: String(hour % 12 || 12),
    AA: hour < 12 ? 'AM' : 'PM',
    aa: hour < 12 ? 'am' : 'pm',
    mm: two(date.getUTCMinutes()),
    m: String(date.getUTCMinutes()),
    ss: two(date.getUTCSeconds()),
    s: String(date.getUTCSeconds()),
    ZZZZZ: '+00:00',
    ZZZZ: '+0000',
    ZZZ: 'UTC',
    Z: 'Z',
  };
  return pattern.replace(/'((?:[^']|'')*)'|([A-Za-z])\2*/g, (run, quoted: string | undefined) => {
    if (quoted !== undefined) return quoted.replaceAll("''", "'");
    return fields[run] ?? failVerb(run);
  });
}

function failVerb(verb: string): never {
  throw new FunctionError(`there is no field "${verb}" of a date`);
}
