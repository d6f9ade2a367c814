import type { BuildError } from '../core/index.ts';
import { referencesToBlocks } from './block-references.ts';
import type { Attribute, Block, Expression } from './hcl/ast.ts';
import { evaluate, FunctionError, type Scope, withVariables } from './hcl/evaluate.ts';
import { createFunctions } from './hcl/functions/functions.ts';
import { errorAt } from './hcl/reader.ts';
import { isList, isMap, toBool, toNumber, type Value } from './hcl/values.ts';
import type { ParsedFile } from './parsed-file.ts';
import type { BakeFile, BakeOutside, BakeVariable } from './types.ts';

/** What names in the files' expressions mean. Variables are evaluated when they are asked for, each once. */
export interface BakeScope extends Scope {
  /** All variables with their values. @throws BuildError `BAKE_INVALID` for one that cannot be evaluated or fails its checks. */
  variables(): readonly BakeVariable[];
}

interface Definition {
  readonly file: BakeFile;
  readonly range: Attribute['range'];
  readonly value: Expression | undefined;
  /** The block, when it is a variable that the environment may set. */
  readonly block: Block | undefined;
}

/**
 * Gathers the variables and functions of all files; a later file's come before an earlier one's.
 *
 * @throws BuildError `BAKE_INVALID` for a block without a name.
 */
export function createBakeScope(files: readonly ParsedFile[], outside: BakeOutside): BakeScope {
  const definitions = gatherVariables(files);
  const functions = gatherFunctions(files);
  const table = createFunctions(outside);
  const values = new Map<string, Value>([
    ['BAKE_CMD_CONTEXT', 'cwd://'],
    ['BAKE_LOCAL_PLATFORM', outside.localPlatform],
  ]);
  const evaluating: string[] = [];
  const blocks = referencesToBlocks(files, () => scope);

  const scope: Scope = {
    variable: (name) => values.get(name) ?? define(name) ?? blocks.get(name),
    variableNames: () => [...values.keys(), ...definitions.keys(), ...blocks.keys()],
    call: (name, args) => {
      const own = functions.get(name);
      if (own !== undefined) return callOwn(own, args);
      return Object.hasOwn(table, name) ? table[name]!(...args) : undefined;
    },
    functionNames: () => [...Object.keys(table), ...functions.keys()],
  };

  function define(name: string): Value | undefined {
    const definition = definitions.get(name);
    if (definition === undefined) return undefined;
    const { file, range } = definition;
    if (evaluating.includes(name)) {
      throw errorAt(file, range, `The variable "${name}" needs itself: ${[...evaluating, name].join(' → ')}.`);
    }
    evaluating.push(name);
    try {
      const value = toValue(definition, name);
      values.set(name, value);
      return value;
    } finally {
      evaluating.pop();
    }
  }

  function toValue({ file, block, value, range }: Definition, name: string): Value {
    const byDefault = value === undefined ? undefined : evaluate(file, value, scope);
    const given = block === undefined ? undefined : outside.env[name];
    if (given === undefined) return byDefault ?? '';
    const type = block?.body.attributes.find((attribute) => attribute.name === 'type')?.value;
    return fromText(given, typeText(type) ?? shapeOf(byDefault), (why) =>
      errorAt(file, range, `The variable ${name} is set to ${JSON.stringify(given)}, which is ${why}.`),
    );
  }

  function callOwn({ file, block }: OwnFunction, args: readonly Value[]): Value {
    const read = (name: string): Value | undefined => {
      const attribute = block.body.attributes.find((each) => each.name === name);
      return attribute === undefined ? undefined : namesIn(attribute.value);
    };
    const params = (read('params') as readonly string[] | undefined) ?? [];
    const rest = read('variadic_params') as string | readonly string[] | undefined;
    const result = block.body.attributes.find((each) => each.name === 'result');
    if (result === undefined) throw errorAt(file, block.range, 'The function has no result.');
    if (args.length < params.length || (args.length > params.length && rest === undefined)) {
      throw new FunctionError(`it takes ${params.length} arguments, not ${args.length}`);
    }
    const bound = Object.fromEntries(params.map((param, at) => [param, args[at]!]));
    const restName = typeof rest === 'string' ? rest : rest?.[0];
    const all = restName === undefined ? bound : { ...bound, [restName]: args.slice(params.length) };
    return evaluate(file, result.value, withVariables(scope, all));
  }

  return {
    ...scope,
    variables: () =>
      [...definitions].flatMap(([name, definition]) => {
        if (definition.block === undefined) return [];
        const value = scope.variable(name);
        checkValidations(definition.file, definition.block, scope);
        return [
          { name, value: value === undefined ? undefined : JSON.stringify(value), description: describe(definition) },
        ];
      }),
  };
}

function gatherVariables(files: readonly ParsedFile[]): ReadonlyMap<string, Definition> {
  const definitions = new Map<string, Definition>();
  for (const { file, body } of files) {
    for (const { name, value, range } of body.attributes) {
      definitions.set(name, { file, range, value, block: undefined });
    }
    for (const block of body.blocks.filter(({ kind }) => kind === 'variable')) {
      const value = block.body.attributes.find(({ name }) => name === 'default')?.value;
      definitions.set(labelOf(file, block), { file, range: block.range, value, block });
    }
  }
  return definitions;
}

interface OwnFunction {
  readonly file: BakeFile;
  readonly block: Block;
}

function gatherFunctions(files: readonly ParsedFile[]): ReadonlyMap<string, OwnFunction> {
  return new Map(
    files.flatMap(({ file, body }) =>
      body.blocks
        .filter(({ kind }) => kind === 'function')
        .map((block) => [labelOf(file, block), { file, block }] as const),
    ),
  );
}

/** The one label of a block. @throws BuildError `BAKE_INVALID`. */
export function labelOf(file: BakeFile, { kind, labels, range }: Block): string {
  const [label, ...others] = labels;
  if (label !== undefined && others.length === 0) return label;
  throw errorAt(file, range, `A ${kind} has one name: ${kind} "name" { … }.`);
}

/** Bare names in a list, as `params = [a, b]` has them. */
function namesIn(expression: Expression): Value {
  if (expression.kind === 'list') return expression.items.map(namesIn);
  if (expression.kind === 'variable') return expression.name;
  return expression.kind === 'literal' ? expression.value : null;
}

/** The type that a variable declares: `string`, `number`, `bool`, `list(…)`, `map(…)`. */
function typeText(expression: Expression | undefined): string | undefined {
  if (expression?.kind === 'variable' || expression?.kind === 'call') return expression.name;
  return undefined;
}

function shapeOf(value: Value | undefined): string {
  if (value === undefined || value === null) return 'string';
  if (isList(value)) return 'list';
  return isMap(value) ? 'map' : typeof value;
}

function fromText(text: string, type: string, fail: (why: string) => BuildError): Value {
  switch (type) {
    case 'bool':
    case 'boolean':
      return toBool(text.toLowerCase()) ?? (text === '1' ? true : text === '0' ? false : raise(fail('no bool')));
    case 'number':
      return toNumber(text) ?? raise(fail('no number'));
    case 'list':
    case 'set':
    case 'tuple':
      return text.trimStart().startsWith('[') ? parseJson(text, fail) : text.split(',').map((item) => item.trim());
    case 'map':
    case 'object':
      return parseJson(text, fail);
    default:
      return text;
  }
}

function parseJson(text: string, fail: (why: string) => BuildError): Value {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return raise(fail('no JSON'));
  }
}

function raise(error: BuildError): never {
  throw error;
}

function checkValidations(file: BakeFile, block: Block, scope: Scope): void {
  for (const { body, range } of block.body.blocks.filter(({ kind }) => kind === 'validation')) {
    const find = (wanted: string): Expression | undefined => body.attributes.find(({ name }) => name === wanted)?.value;
    const condition = find('condition');
    const message = find('error_message');
    if (condition === undefined) throw errorAt(file, range, 'The validation has no condition.');
    if (toBool(evaluate(file, condition, scope)) === true) continue;
    const text = message === undefined ? 'its condition does not hold' : String(evaluate(file, message, scope));
    throw errorAt(file, condition.range, `The variable "${block.labels[0]}" has a value that is not allowed: ${text}`);
  }
}

function describe({ block }: Definition): string | undefined {
  const value = block?.body.attributes.find(({ name }) => name === 'description')?.value;
  return value?.kind === 'literal' && typeof value.value === 'string' ? value.value : undefined;
}
