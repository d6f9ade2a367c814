import { BuildError } from '../../core/index.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
};

/**
 * Bytes of a size as docker writes it: `64m`, `1.5GiB`, `2gb`; all units are binary.
 *
 * @throws BuildError `USAGE`, naming the option.
 */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text);
  const unit = SIZE_UNITS[match?.[2]?.toLowerCase() ?? 'none'];
  if (match === null || unit === undefined) {
    throw usage(`${option} takes a size, not "${text}".`, 'Write a number with a unit, such as 64m or 2g.');
  }
  return Math.floor(Number(match[1]) * unit);
}

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Milliseconds of a duration as Go writes it, with days and weeks: `90s`, `1h30m`, `7d`.
 *
 * @throws BuildError `USAGE`, naming the option.
 */
export function parseDuration(text: string, option: string): number {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/.test(text)) {
    throw usage(`${option} takes a duration, not "${text}".`, 'Write a number with a unit, such as 90s, 24h or 7d.');
  }
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)];
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * DURATION_UNITS_MS[unit!]!, 0);
}

/** Splits `name=value` at the first `=`; `value` is undefined when there is none. */
export function splitPair(text: string): { readonly name: string; readonly value: string | undefined } {
  const equals = text.indexOf('=');
  return equals < 0 ? { name: text, value: undefined } : { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

/**
 * A record of `name=value` texts; a later one wins, a missing value is empty.
 *
 * @throws BuildError `USAGE` when a name is empty.
 */
export function parsePairs(texts: readonly string[], option: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const { name, value } = splitPair(text);
      if (name === '') throw usage(`${option} takes name=value, not "${text}".`);
      return [name, value ?? ''];
    }),
  );
}

/**
 * The fields of `key=value,key=value` in CSV as docker reads it: a field in double quotes may hold commas, a doubled
 * quote stands for one. Keys are lower-cased; a field without `=` has an undefined value.
 *
 * @throws BuildError `USAGE` when quotes do not match.
 */
export function parseFields(
  text: string,
  option: string,
): ReadonlyArray<{ readonly key: string; readonly value: string | undefined }> {
  return splitCsv(text, option).map((field) => {
    const { name, value } = splitPair(field);
    return { key: name.trim().toLowerCase(), value };
  });
}

function splitCsv(text: string, option: string): readonly string[] {
  const fields: string[] = [];
  const pattern = /(?:"((?:[^"]|"")*)"|([^,"]*))(,|$)/y;
  let last = ',';
  while (last === ',') {
    const match = pattern.exec(text);
    if (match === null) throw usage(`${option} cannot be read: the quotes in "${text}" do not match.`);
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    last = match[3]!;
  }
  return fields;
}

/** A usage error, for what an option's value says. */
export function usage(message: string, hint?: string): BuildError {
  return new BuildError('USAGE', message, { hint });
}
