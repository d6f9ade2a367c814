import { nearestWord } from '../core/index.ts';
import { labelOf } from './bake-scope.ts';
import type { Attribute, Block } from './hcl/ast.ts';
import { evaluate, type Scope, withVariables } from './hcl/evaluate.ts';
import { errorAt } from './hcl/reader.ts';
import { isList, isMap, toBool, toText, typeName, type Value, type ValueMap } from './hcl/values.ts';
import type { ParsedFile } from './parsed-file.ts';
import { ATTRIBUTES, type AttributeKind, type BakeFile, type BakeGroup, type BakeTarget, type Place } from './types.ts';

/** A target as one file says it; those that it inherits from are not merged yet. */
export interface TargetSource {
  readonly name: string;
  readonly inherits: readonly string[];
  readonly target: BakeTarget;
  readonly place: Place;
}

/** A group, or the group that a target with a matrix stands for. */
export interface GroupSource extends BakeGroup {
  readonly name: string;
  readonly place: Place;
}

/** What the blocks of a file say. */
export interface FileTargets {
  readonly targets: readonly TargetSource[];
  readonly groups: readonly GroupSource[];
}

/** Names that are used in file names and on command lines. */
const NAME = /^[A-Za-z0-9_-]+$/;
const KINDS = ['target', 'group', 'variable', 'function'];

/**
 * Evaluates the targets and groups of a file.
 *
 * @throws BuildError `BAKE_INVALID` at what cannot be evaluated, is unknown, or has the wrong type.
 */
export function readTargets({ file, body }: ParsedFile, scope: Scope): FileTargets {
  const targets: TargetSource[] = [];
  const groups: GroupSource[] = [];
  for (const block of body.blocks) {
    if (!KINDS.includes(block.kind)) {
      const nearest = nearestWord(block.kind, KINDS);
      const hint = nearest === undefined ? `There are: ${KINDS.join(', ')}.` : `Did you mean "${nearest}"?`;
      throw errorAt(file, block.range, `There is no block "${block.kind}".`, hint);
    }
    if (block.kind === 'group') groups.push(readGroup(file, block, scope));
    if (block.kind === 'target') {
      const made = readTarget(file, block, scope);
      targets.push(...made.targets);
      groups.push(...made.groups);
    }
  }
  return { targets, groups };
}

function readGroup(file: BakeFile, block: Block, scope: Scope): GroupSource {
  const name = nameOf(file, block);
  let targets: readonly string[] = [];
  let description: string | undefined;
  for (const attribute of block.body.attributes) {
    const value = evaluate(file, attribute.value, scope);
    if (attribute.name === 'targets') targets = toTexts({ file, attribute }, value);
    else if (attribute.name === 'description') description = toOneText({ file, attribute }, value);
    else throw unknownAttribute(file, attribute, ['targets', 'description']);
  }
  const place = { file, range: block.range };
  return { name, targets, place, ...(description === undefined ? {} : { description }) };
}

function nameOf(file: BakeFile, block: Block): string {
  const name = labelOf(file, block);
  return checkName(file, block, name);
}

function checkName(file: BakeFile, { kind, range }: Pick<Block, 'kind' | 'range'>, name: string): string {
  if (NAME.test(name)) return name;
  throw errorAt(file, range, `"${name}" cannot be the name of a ${kind}: it may have letters, digits, "-" and "_".`);
}

function readTarget(file: BakeFile, block: Block, scope: Scope): FileTargets {
  const name = nameOf(file, block);
  const find = (wanted: string): Attribute | undefined => block.body.attributes.find((each) => each.name === wanted);
  const matrix = find('matrix');
  const naming = find('name');
  const place = { file, range: block.range };
  if (matrix === undefined) {
    if (naming !== undefined) throw errorAt(file, naming.range, 'A target has `name` only together with `matrix`.');
    return { targets: [evaluateTarget(file, { block, name }, scope)], groups: [] };
  }
  if (naming === undefined)
    throw errorAt(file, matrix.range, 'A target with `matrix` needs `name`, which tells its variants apart.');
  const targets = variantsOf({ file, attribute: matrix }, evaluate(file, matrix.value, scope)).map((variables) => {
    const inner = withVariables(scope, variables);
    const own = toOneText({ file, attribute: naming }, evaluate(file, naming.value, inner));
    return evaluateTarget(file, { block, name: checkName(file, { kind: 'target', range: naming.range }, own) }, inner);
  });
  const twice = targets.find(({ name: each }, at) => targets.findIndex((other) => other.name === each) !== at);
  if (twice !== undefined)
    throw errorAt(file, naming.range, `Two variants of the matrix have the name "${twice.name}".`);
  return { targets, groups: [{ name, targets: targets.map((target) => target.name), place }] };
}

interface Found {
  readonly file: BakeFile;
  readonly attribute: Attribute;
}

/** Every combination of the values of a matrix's axes. */
function variantsOf({ file, attribute }: Found, value: Value): readonly ValueMap[] {
  if (!isMap(value)) throw errorAt(file, attribute.range, 'A matrix is an object of lists.');
  return Object.entries(value).reduce<readonly ValueMap[]>(
    (variants, [axis, values]) => {
      if (!isList(values)) throw errorAt(file, attribute.range, `The axis "${axis}" of the matrix is no list.`);
      return variants.flatMap((variant) => values.map((each) => ({ ...variant, [axis]: each })));
    },
    [{}],
  );
}

const OWN = ['inherits', 'matrix', 'name'];

function evaluateTarget(
  file: BakeFile,
  { block, name }: { readonly block: Block; readonly name: string },
  scope: Scope,
): TargetSource {
  const values: Record<string, unknown> = {};
  let inherits: readonly string[] = [];
  for (const attribute of block.body.attributes) {
    if (attribute.name === 'matrix' || attribute.name === 'name') continue;
    const kinds: Readonly<Record<string, AttributeKind>> = ATTRIBUTES;
    const kind = kinds[attribute.name];
    if (kind === undefined && attribute.name !== 'inherits') {
      throw unknownAttribute(file, attribute, [...Object.keys(ATTRIBUTES), ...OWN]);
    }
    const value = evaluate(file, attribute.value, scope);
    if (kind === undefined) inherits = toTexts({ file, attribute }, value);
    else if (value !== null) values[attribute.name] = READERS[kind]({ file, attribute }, value);
  }
  return { name, inherits, target: values as BakeTarget, place: { file, range: block.range } };
}

const READERS: Readonly<Record<AttributeKind, (found: Found, value: Value) => unknown>> = {
  text: toOneText,
  flag: (found, value) => toBool(value) ?? wrong(found, value, 'a bool'),
  list: toTexts,
  map: toTextMap,
  specs: (found, value) => (isList(value) ? value : [value]).map((item) => toSpec(found, item)),
};

function toOneText(found: Found, value: Value): string {
  return toText(value) ?? wrong(found, value, 'a string');
}

function toTexts(found: Found, value: Value): readonly string[] {
  if (!isList(value)) return wrong(found, value, 'a list of strings');
  // An item that is null is left out, so that a condition can leave one out.
  return value.flatMap((item) => (item === null ? [] : [toOneText(found, item)]));
}

function toTextMap(found: Found, value: Value): Readonly<Record<string, string>> {
  if (!isMap(value)) return wrong(found, value, 'an object of strings');
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === null ? [] : [[key, toOneText(found, item)]])),
  );
}

/** `{ type = "local", dest = "out" }` as the text that the option takes. */
function toSpec(found: Found, value: Value): string {
  if (!isMap(value)) return toOneText(found, value);
  return Object.entries(value)
    .flatMap(([key, item]) => (item === null ? [] : [quoteField(`${key}=${toOneText(found, item)}`)]))
    .join(',');
}

function quoteField(field: string): string {
  return /[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

function wrong({ file, attribute }: Found, value: Value, wanted: string): never {
  throw errorAt(file, attribute.value.range, `${attribute.name} is ${typeName(value)}, and should be ${wanted}.`);
}

function unknownAttribute(file: BakeFile, { name, range }: Attribute, known: readonly string[]): Error {
  const nearest = nearestWord(name, known);
  const hint = nearest === undefined ? `There are: ${known.toSorted().join(', ')}.` : `Did you mean "${nearest}"?`;
  return errorAt(file, range, `There is no attribute "${name}" here.`, hint);
}
