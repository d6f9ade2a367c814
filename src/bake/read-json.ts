import type { SourceRange } from '../core/index.ts';
import type { Attribute, Block, Body, Expression } from './hcl/ast.ts';
import { parseTemplateText } from './hcl/parse-expression.ts';
import { errorAt } from './hcl/reader.ts';
import { isYamlMap, parseJson, type Yaml, type YamlFile, type YamlPath } from './parse-yaml.ts';
import type { BakeFile } from './types.ts';

const KINDS = ['target', 'group', 'variable'];

/**
 * Reads a bake file in JSON: the same tree as of HCL. Strings are templates there.
 *
 * @throws BuildError `BAKE_INVALID` at its place.
 */
export function parseBakeJson(file: BakeFile): Body {
  const json = parseJson(file);
  const source = { file, json };
  const blocks: Block[] = [];
  const attributes: Attribute[] = [];
  for (const [name, value] of entriesOf(source, { path: [], value: json.value })) {
    const found = { path: [name], value };
    if (!KINDS.includes(name)) attributes.push(toAttribute(source, name, found));
    else for (const [label, body] of entriesOf(source, found)) blocks.push(toBlock(source, [name, label], body));
  }
  return { attributes, blocks };
}

interface Source {
  readonly file: BakeFile;
  readonly json: YamlFile;
}

interface Found {
  readonly path: YamlPath;
  readonly value: Yaml;
}

function entriesOf({ file, json }: Source, { path, value }: Found): ReadonlyArray<readonly [string, Yaml]> {
  if (isYamlMap(value)) return Object.entries(value);
  const what =
    path.length === 0 ? 'A bake file in JSON is an object' : `"${path.join('.')}" should be an object by name`;
  throw errorAt(file, json.rangeOf(path), `${what}.`);
}

function toBlock(source: Source, [kind, label]: readonly [string, string], value: Yaml): Block {
  const path = [kind, label];
  const attributes = entriesOf(source, { path, value }).map(([name, each]) =>
    toAttribute(source, name, { path: [...path, name], value: each }),
  );
  return { kind, labels: [label], body: { attributes, blocks: [] }, range: source.json.rangeOf(path) };
}

/** An expression whose every part has the place of the string that it stands in: inside it, JSON's escapes shift everything. */
function placedAt<T>(node: T, range: SourceRange): T {
  if (Array.isArray(node)) return node.map((item: unknown) => placedAt(item, range)) as T;
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).map(([key, part]) => [key, key === 'range' ? range : placedAt(part, range)]);
  return Object.fromEntries(entries) as T;
}

function toAttribute(source: Source, name: string, found: Found): Attribute {
  return { name, value: toExpression(source, found), range: source.json.rangeOf(found.path) };
}

function toExpression(source: Source, { path, value }: Found): Expression {
  const range = source.json.rangeOf(path);
  if (typeof value === 'string') {
    try {
      return placedAt(parseTemplateText({ fileName: source.file.fileName, text: value }), range);
    } catch (error) {
      throw errorAt(source.file, range, (error as Error).message);
    }
  }
  if (Array.isArray(value)) {
    const items = value.map((item: Yaml, at) => toExpression(source, { path: [...path, at], value: item }));
    return { kind: 'list', items, range };
  }
  if (isYamlMap(value)) {
    const items = Object.entries(value).map(([key, item]) => ({
      key: { kind: 'literal', value: key, range } as const,
      value: toExpression(source, { path: [...path, key], value: item }),
    }));
    return { kind: 'object', items, range };
  }
  return { kind: 'literal', value: value as number | boolean | null, range };
}
