import { FunctionError } from '../evaluate.ts';
import { isList, isMap, toText, typeName, type Value } from '../values.ts';
import { type FunctionTable, integer, list, number, text } from './signature.ts';

/** Functions over strings. Lengths and positions count characters, not bytes. */
export const STRING_FUNCTIONS: FunctionTable = {
  basename: (path) => text(path).replace(/\/+$/, '').split('/').at(-1) || '/',
  chomp: (value) => text(value).replace(/[\r\n]+$/, ''),
  dirname: (path) => directoryOf(text(path)),
  format: (pattern, ...args) => format(text(pattern), args),
  formatlist: (pattern, ...args) => formatList(text(pattern), args),
  indent: (width, value) => text(value).replaceAll('\n', `\n${' '.repeat(integer(width))}`),
  join: (separator, ...lists) => lists.flatMap(list).map(text).join(text(separator)),
  lower: (value) => text(value).toLowerCase(),
  regex: (pattern, value) => {
    const found = compile(text(pattern), '').exec(text(value));
    if (found === null) throw new FunctionError('the pattern does not match');
    return captures(found);
  },
  regex_replace: (value, pattern, replacement) =>
    text(value).replace(compile(text(pattern), 'g'), toReplacement(text(replacement))),
  regexall: (pattern, value) => [...text(value).matchAll(compile(text(pattern), 'g'))].map(captures),
  replace: (value, search, replacement) => replace(text(value), text(search), text(replacement)),
  sanitize: (value) => text(value).replace(/[^A-Za-z0-9_-]+/g, '_'),
  semvercmp: (version, constraint) => satisfies(text(version), text(constraint)),
  split: (separator, value) => text(value).split(text(separator)),
  strlen: (value) => [...text(value)].length,
  strrev: (value) => [...text(value)].toReversed().join(''),
  reverse: (value) => [...text(value)].toReversed().join(''),
  substr: (value, from, length) => substring([...text(value)], integer(from), integer(length)),
  title: (value) =>
    text(value).replace(/(^|[\s])(\S)/gu, (_, before: string, letter: string) => before + letter.toUpperCase()),
  trim: (value, set) => trim(text(value), text(set)),
  trimprefix: (value, prefix) =>
    text(value).startsWith(text(prefix)) ? text(value).slice(text(prefix).length) : text(value),
  trimspace: (value) => text(value).trim(),
  trimsuffix: (value, suffix) =>
    text(suffix) !== '' && text(value).endsWith(text(suffix))
      ? text(value).slice(0, -text(suffix).length)
      : text(value),
  upper: (value) => text(value).toUpperCase(),
};

function directoryOf(path: string): string {
  const slash = path.replace(/\/+$/, '').lastIndexOf('/');
  if (slash < 0) return '.';
  return path.slice(0, slash) || '/';
}

function trim(value: string, set: string): string {
  const letters = [...value];
  const isIn = (letter: string | undefined): boolean => letter !== undefined && set.includes(letter);
  while (isIn(letters[0])) letters.shift();
  while (isIn(letters.at(-1))) letters.pop();
  return letters.join('');
}

function substring(letters: readonly string[], from: number, length: number): string {
  const start = from < 0 ? letters.length + from : from;
  return letters.slice(start, length < 0 ? undefined : start + length).join('');
}

/** A search text between slashes is a pattern. */
function replace(value: string, search: string, replacement: string): string {
  if (search.length > 1 && search.startsWith('/') && search.endsWith('/')) {
    return value.replace(compile(search.slice(1, -1), 'g'), toReplacement(replacement));
  }
  return search === '' ? value : value.replaceAll(search, () => replacement);
}

function compile(pattern: string, flags: string): RegExp {
  try {
    return new RegExp(pattern.replaceAll('(?P<', '(?<'), `${flags}u`);
  } catch (error) {
    throw new FunctionError(`${JSON.stringify(pattern)} is no pattern: ${(error as Error).message}`);
  }
}

/** `${1}` and `${name}` of Go's patterns as JavaScript has them. */
function toReplacement(text: string): string {
  return text.replace(/\$\{(\d+)\}/g, '$$$1').replace(/\$\{(\w+)\}/g, '$$<$1>');
}

function captures(found: RegExpExecArray): Value {
  if (found.groups !== undefined) return { ...found.groups };
  return found.length === 1 ? found[0] : found.slice(1).map((group) => group ?? null);
}

const VERB = /%(?:(%)|(-?)(0?)(\d*)(?:\.(\d+))?([sdfvqxXob]))/g;

function format(pattern: string, args: readonly Value[]): string {
  let next = 0;
  const made = pattern.replace(VERB, (_, percent, left, zero, width, precision, verb: string) => {
    if (percent === '%') return '%';
    if (next >= args.length) throw new FunctionError('there are fewer values than verbs');
    const value = formatVerb(verb, args[next++]!, precision as string | undefined);
    const length = Number(width || 0);
    return left === '-' ? value.padEnd(length) : value.padStart(length, zero === '0' ? '0' : ' ');
  });
  if (next < args.length) throw new FunctionError('there are more values than verbs');
  return made;
}

function formatVerb(verb: string, value: Value, precision: string | undefined): string {
  switch (verb) {
    case 'd':
      return String(integer(value));
    case 'f':
      return number(value).toFixed(Number(precision ?? 6));
    case 'x':
    case 'X':
    case 'o':
    case 'b': {
      const digits = integer(value).toString({ x: 16, X: 16, o: 8, b: 2 }[verb]);
      return verb === 'X' ? digits.toUpperCase() : digits;
    }
    case 'q':
      return JSON.stringify(text(value));
    case 's':
      return text(value);
    default:
      return toText(value) ?? JSON.stringify(value);
  }
}

function formatList(pattern: string, args: readonly Value[]): readonly string[] {
  const lengths = args.flatMap((argument) => (isList(argument) ? [argument.length] : []));
  const length = lengths[0] ?? 1;
  if (lengths.some((other) => other !== length)) throw new FunctionError('the lists have different lengths');
  return Array.from({ length }, (_, at) =>
    format(
      pattern,
      args.map((argument) => (isList(argument) ? argument[at]! : argument)),
    ),
  );
}

const VERSION = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([\w.-]+))?(?:\+[\w.-]+)?$/;

function parseVersion(version: string): readonly [number, number, number, string] {
  const found = VERSION.exec(version);
  if (found === null) throw new FunctionError(`${JSON.stringify(version)} is no version`);
  return [Number(found[1]), Number(found[2] ?? 0), Number(found[3] ?? 0), found[4] ?? ''];
}

function compareVersions(a: string, b: string): number {
  const left = parseVersion(a);
  const right = parseVersion(b);
  for (const at of [0, 1, 2] as const) if (left[at] !== right[at]) return left[at] - right[at];
  if (left[3] === right[3]) return 0;
  // A version without a pre-release comes after those with one.
  if (left[3] === '' || right[3] === '') return left[3] === '' ? 1 : -1;
  return left[3] < right[3] ? -1 : 1;
}

/** Comma-separated comparisons, all of which must hold. */
function satisfies(version: string, constraint: string): boolean {
  return constraint.split(',').every((part) => {
    const [, operator = '', wanted = ''] = /^\s*(>=|<=|!=|>|<|=|~|\^)?\s*(\S+)\s*$/.exec(part) ?? [];
    const order = compareVersions(version, wanted);
    const [major, minor] = parseVersion(wanted);
    const [ownMajor, ownMinor] = parseVersion(version);
    switch (operator) {
      case '>=':
        return order >= 0;
      case '<=':
        return order <= 0;
      case '>':
        return order > 0;
      case '<':
        return order < 0;
      case '!=':
        return order !== 0;
      case '~':
        return order >= 0 && ownMajor === major && ownMinor === minor;
      case '^':
        return order >= 0 && ownMajor === major;
      default:
        return order === 0;
    }
  });
}

/** What `length` says of a string, list or object. */
export function lengthOf(value: Value | undefined): number {
  if (value === undefined) throw new FunctionError('a value is missing');
  if (typeof value === 'string') return [...value].length;
  if (isList(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  throw new FunctionError(`a ${typeName(value)} has no length`);
}
