import { nearestWord, type SourceRange } from '../core/index.ts';
import { errorAt } from './hcl/reader.ts';
import type { FileTargets, GroupSource, TargetSource } from './read-targets.ts';
import { ATTRIBUTES, type AttributeKind, type BakeTarget, type ConfigFile } from './types.ts';

/**
 * Reads the value that a config file exports: the targets and groups of `BakeConfig`. It may come from JavaScript or JSON, so
 * everything is checked.
 *
 * @throws BuildError `BAKE_INVALID` at the place of the file that names what is wrong, as far as it can be found there.
 */
export function readConfig(file: ConfigFile): FileTargets {
  const { config } = file;
  const root: Found = { file, path: [], value: config };
  const { targets, groups = {}, ...others } = toObject(root);
  refuseUnknown(root, others, ['targets', 'groups']);
  const targetsFound: Found = { file, path: ['targets'], value: targets };
  return {
    targets: Object.entries(toObject(targetsFound)).map(([name, value]) => toTarget(below(targetsFound, name, value))),
    groups: Object.entries(toObject({ file, path: ['groups'], value: groups })).map(([name, value]) =>
      toGroup({ file, path: ['groups', name], value }),
    ),
  };
}

/** A value with the keys that lead to it. */
interface Found {
  readonly file: ConfigFile;
  readonly path: readonly string[];
  readonly value: unknown;
}

type Values = Readonly<Record<string, unknown>>;

function below({ file, path }: Found, key: string, value: unknown): Found {
  return { file, path: [...path, key], value };
}

const NAME = /^[A-Za-z0-9_-]+$/;

function nameOf(found: Found): string {
  const name = found.path.at(-1)!;
  if (NAME.test(name)) return name;
  throw invalid(found, `"${name}" cannot be a name: it may have letters, digits, "-" and "_".`);
}

function toGroup(found: Found): GroupSource {
  return { name: nameOf(found), targets: toTexts(found), place: placeOf(found) };
}

function placeOf({ file, path }: Found): TargetSource['place'] {
  return { file, range: rangeOf(file.text, path) };
}

const KEYS: ReadonlyMap<string, keyof BakeTarget> = new Map(
  (Object.keys(ATTRIBUTES) as (keyof BakeTarget)[]).map((name) => [toCamel(name), name]),
);

function toTarget(found: Found): TargetSource {
  const { inherits = [], ...attributes } = toObject(found);
  const target: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(attributes)) {
    const name = KEYS.get(key);
    if (name === undefined) refuseUnknown(found, { [key]: value }, ['inherits', ...KEYS.keys()]);
    else if (value !== undefined && value !== null) target[name] = toAttribute(name, below(found, key, value));
  }
  return {
    name: nameOf(found),
    inherits: toTexts(below(found, 'inherits', inherits)),
    target: target as BakeTarget,
    place: placeOf(found),
  };
}

function toAttribute(name: keyof BakeTarget, found: Found): unknown {
  if (name === 'ulimits') return toLimits(found);
  const kind: AttributeKind = ATTRIBUTES[name];
  switch (kind) {
    case 'text':
      return toText(found);
    case 'flag':
      if (typeof found.value === 'boolean') return found.value;
      throw wrong(found, 'a boolean');
    case 'list':
      return toTexts(found);
    case 'map':
      return toTextMap(found);
    case 'specs':
      return toList(found).map(toSpec);
  }
}

function toText(found: Found): string {
  const { value } = found;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw wrong(found, 'a string');
}

function toList(found: Found): readonly Found[] {
  if (!Array.isArray(found.value)) throw wrong(found, 'a list');
  return (found.value as readonly unknown[]).map((value) => ({ ...found, value }));
}

function toTexts(found: Found): readonly string[] {
  return toList(found).map(toText);
}

function toObject(found: Found): Values {
  const { value } = found;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Values;
  throw wrong(found, 'an object');
}

function toTextMap(found: Found): Readonly<Record<string, string>> {
  const entries = Object.entries(toObject(found)).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries.map(([key, value]) => [key, toText(below(found, key, value))]));
}

/** `{ type: 'local', dest: 'out' }` as the text that the option takes. */
function toSpec(found: Found): string {
  if (typeof found.value === 'string') return found.value;
  return Object.entries(toTextMap(found))
    .map(([key, value]) => quoteField(`${toKebab(key)}=${value}`))
    .join(',');
}

function quoteField(field: string): string {
  return /[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

function toLimits(found: Found): readonly string[] {
  return Object.entries(toObject(found)).map(([name, value]) => {
    const limit = below(found, name, value);
    if (typeof value === 'number') return `${name}=${value}`;
    const { soft, hard } = toObject(limit);
    return `${name}=${toText(below(limit, 'soft', soft))}:${toText(below(limit, 'hard', hard))}`;
  });
}

function toCamel(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

function toKebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function refuseUnknown(found: Found, unknown: Values, known: readonly string[]): void {
  const [key] = Object.keys(unknown);
  if (key === undefined) return;
  const nearest = nearestWord(key, known);
  const hint = nearest === undefined ? `There are: ${known.toSorted().join(', ')}.` : `Did you mean "${nearest}"?`;
  throw invalid(below(found, key, undefined), `There is no "${key}" in ${nameOfPath(found)}.`, hint);
}

function wrong(found: Found, wanted: string): Error {
  const { value } = found;
  const is =
    value === null || value === undefined ? String(value) : Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  return invalid(found, `${nameOfPath(found)} is ${is.replace('a object', 'an object')}, and should be ${wanted}.`);
}

function nameOfPath({ path }: Found): string {
  return path.length === 0 ? 'the config' : path.join('.');
}

function invalid({ file, path }: Found, message: string, hint?: string): Error {
  return errorAt(file, rangeOf(file.text, path), `${message.charAt(0).toUpperCase()}${message.slice(1)}`, hint);
}

/** Where the keys stand one after the other in the text. A value that is computed has the place of the last one found. */
function rangeOf(text: string, path: readonly string[]): SourceRange {
  let at = 0;
  let found = { start: 0, end: 1 };
  for (const key of path) {
    const escaped = key.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    const match = new RegExp(`(?<![\\w$-])(?:${escaped}|'${escaped}'|"${escaped}")\\s*(?=:|,|\\()`, 'g');
    match.lastIndex = at;
    const next = match.exec(text);
    if (next === null) break;
    found = { start: next.index, end: next.index + next[0].trimEnd().length };
    at = match.lastIndex;
  }
  return { start: positionOf(text, found.start), end: positionOf(text, found.end) };
}

function positionOf(text: string, offset: number): SourceRange['start'] {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1 };
}
