import { type SourceRange, toBuildError } from '../core/index.ts';
import type { Attribute, Block, Body, Expression } from './hcl/ast.ts';
import { parseTemplateText } from './hcl/parse-expression.ts';
import { errorAt } from './hcl/reader.ts';
import type { BakeFile } from './types.ts';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const START: SourceRange = { start: { line: 1, column: 1 }, end: { line: 1, column: 2 } };
const KINDS = ['target', 'group', 'variable'];

/**
 * Reads a bake file in JSON: the same tree as of HCL. Strings are templates there.
 *
 * @throws BuildError `BAKE_INVALID`.
 */
export function parseBakeJson(file: BakeFile): Body {
  let document: Json;
  try {
    document = JSON.parse(file.text) as Json;
  } catch (error) {
    throw errorAt(file, START, `${file.fileName} is no JSON: ${toBuildError(error).message}.`);
  }
  if (!isObject(document)) throw errorAt(file, START, `${file.fileName} is no JSON object.`);
  const blocks: Block[] = [];
  const attributes: Attribute[] = [];
  for (const [name, value] of Object.entries(document)) {
    if (!KINDS.includes(name)) attributes.push({ name, value: toExpression(file, value), range: START });
    else for (const [label, body] of entriesOf(file, value)) blocks.push(toBlock(file, { kind: name, label }, body));
  }
  return { attributes, blocks };
}

function entriesOf(file: BakeFile, value: Json): ReadonlyArray<readonly [string, Json]> {
  if (isObject(value)) return Object.entries(value);
  throw errorAt(file, START, 'Targets, groups and variables are JSON objects by name.');
}

function toBlock(
  file: BakeFile,
  { kind, label }: { readonly kind: string; readonly label: string },
  body: Json,
): Block {
  const attributes = entriesOf(file, body).map(([name, value]) => ({
    name,
    value: toExpression(file, value),
    range: START,
  }));
  return { kind, labels: [label], body: { attributes, blocks: [] }, range: START };
}

function toExpression(file: BakeFile, value: Json): Expression {
  if (typeof value === 'string') return parseTemplateText({ fileName: file.fileName, text: value });
  if (isList(value)) return { kind: 'list', items: value.map((item) => toExpression(file, item)), range: START };
  if (isObject(value)) {
    const items = Object.entries(value).map(([key, item]) => ({
      key: { kind: 'literal', value: key, range: START } as const,
      value: toExpression(file, item),
    }));
    return { kind: 'object', items, range: START };
  }
  return { kind: 'literal', value: value as number | boolean | null, range: START };
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !isList(value);
}
