import { type Document, isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml';
import type { SourceRange } from '../core/index.ts';
import { errorAt } from './hcl/reader.ts';
import type { BakeFile } from './types.ts';

/** A value of YAML or JSON. */
export type Yaml = string | number | boolean | null | readonly Yaml[] | { readonly [key: string]: Yaml };

/** A mapping of YAML, an object of JSON. */
export type YamlMap = { readonly [key: string]: Yaml };

/** Keys and indexes that lead to a value. */
export type YamlPath = ReadonlyArray<string | number>;

/** A parsed file with the places of its values. */
export interface YamlFile {
  readonly value: Yaml;
  /** Where the key at the end of a path stands, or the item; of a path that is not there, as much of it as is. */
  rangeOf(path: YamlPath): SourceRange;
}

/** Tells an object from a list. */
export function isYamlMap(value: Yaml | undefined): value is YamlMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads YAML with merge keys. @throws BuildError `BAKE_INVALID` at its place. */
export function parseYaml(file: BakeFile): YamlFile {
  const document = parseDocument(file.text, { merge: true });
  refuse(file, document, 'YAML');
  return toYamlFile(file, document, document.toJS() as Yaml);
}

/** Reads JSON. @throws BuildError `BAKE_INVALID` at its place. */
export function parseJson(file: BakeFile): YamlFile {
  // JSON is YAML of a stricter kind, whose parser knows places.
  const document = parseDocument(file.text, { schema: 'json' });
  let value: Yaml;
  try {
    value = JSON.parse(file.text) as Yaml;
  } catch (error) {
    refuse(file, document, 'JSON');
    const end = positionOf(file.text, file.text.trimEnd().length);
    throw errorAt(file, { start: end, end }, `${file.fileName} is no JSON: ${(error as Error).message}.`);
  }
  return toYamlFile(file, document, value);
}

/** The value of a JSON file. @throws BuildError `BAKE_INVALID` at the place of what is no JSON. */
export function parseJsonFile(file: BakeFile): unknown {
  return parseJson(file).value;
}

function refuse(file: BakeFile, { errors }: Document, language: string): void {
  const [error] = errors;
  if (error === undefined) return;
  const [from, to] = error.pos;
  const range = { start: positionOf(file.text, from), end: positionOf(file.text, Math.max(to, from + 1)) };
  const [what = ''] = error.message.split(/ at line \d+, column|\n/);
  throw errorAt(file, range, `${file.fileName} is no ${language}: ${what.replace(/:$/, '')}.`);
}

function toYamlFile(file: BakeFile, document: Document, value: Yaml): YamlFile {
  return {
    value,
    rangeOf: (path) => {
      let node = document.contents as Node | null;
      let found: Node | null = node;
      for (const step of path) {
        const next = stepInto(node, step);
        if (next === undefined) break;
        node = next.value;
        found = next.shown;
      }
      const [start, end] = found?.range ?? [0, 1];
      return { start: positionOf(file.text, start), end: positionOf(file.text, Math.max(end, start + 1)) };
    },
  };
}

interface Step {
  readonly value: Node | null;
  /** What an error points at: the key, or the item of a list. */
  readonly shown: Node | null;
}

function stepInto(node: Node | null, step: string | number): Step | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(step)] as Node | undefined;
    return item === undefined ? undefined : { value: item, shown: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  return pair === undefined ? undefined : { value: pair.value as Node | null, shown: pair.key as Node };
}

function positionOf(text: string, offset: number): SourceRange['start'] {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: before.at(-1)!.length + 1 };
}
