import { type BuildError, isBuildError, nearestWord, type SourceRange } from '../../core/index.ts';
import { type BinaryOperator, type Expression, type ForLoop, SPLAT_ITEM, type TemplatePart } from './ast.ts';
import { errorAt, type SourceText } from './reader.ts';
import { isEqual, isList, isMap, toBool, toNumber, toText, typeName, type Value } from './values.ts';

/** What names in an expression mean. */
export interface Scope {
  /** Undefined when there is no such variable. May evaluate another one. */
  variable(name: string): Value | undefined;
  variableNames(): Iterable<string>;
  /** Undefined when there is no such function. @throws FunctionError for arguments that it cannot take. */
  call(name: string, args: readonly Value[]): Value | undefined;
  functionNames(): Iterable<string>;
}

/** Why a function cannot take its arguments; the evaluator adds the place. */
export class FunctionError extends Error {}

/**
 * Evaluates an expression as HCL does.
 *
 * @throws BuildError `BAKE_INVALID` at the part that cannot be evaluated.
 */
export function evaluate(source: SourceText, expression: Expression, scope: Scope): Value {
  return new Evaluation(source).value(expression, scope);
}

/** One evaluation, so that every error knows the file. */
class Evaluation {
  readonly #source: SourceText;

  constructor(source: SourceText) {
    this.#source = source;
  }

  value(expression: Expression, scope: Scope): Value {
    const { range } = expression;
    switch (expression.kind) {
      case 'literal':
        return expression.value;
      case 'template':
        return this.#template(expression.parts, range, scope);
      case 'list':
        return expression.items.map((item) => this.value(item, scope));
      case 'object':
        return Object.fromEntries(
          expression.items.map(({ key, value }) => [this.#text(key, scope, 'A key'), this.value(value, scope)]),
        );
      case 'for':
        return this.#loop(expression.loop, scope);
      case 'variable':
        return this.#variable(expression.name, range, scope);
      case 'call':
        return this.#call(expression, scope);
      case 'index':
        return this.#index(this.value(expression.of, scope), this.value(expression.key, scope), range);
      case 'attribute':
        return this.#index(this.value(expression.of, scope), expression.name, range);
      case 'splat':
        return this.#splat(expression, scope);
      case 'unary':
        return expression.operator === '!'
          ? !this.#bool(expression.operand, scope)
          : -this.#number(expression.operand, scope);
      case 'binary':
        return this.#binary(expression, scope);
      case 'conditional':
        return this.value(this.#bool(expression.condition, scope) ? expression.then : expression.otherwise, scope);
    }
  }

  #error(range: SourceRange, message: string, hint?: string): BuildError {
    return errorAt(this.#source, range, message, hint);
  }

  #variable(name: string, range: SourceRange, scope: Scope): Value {
    const value = scope.variable(name);
    if (value !== undefined) return value;
    const nearest = nearestWord(name, scope.variableNames());
    throw this.#error(
      range,
      `There is no variable "${name}".`,
      nearest === undefined ? `Define it: variable "${name}" {}` : `Did you mean "${nearest}"?`,
    );
  }

  #call({ name, args, spread, range }: Extract<Expression, { kind: 'call' }>, scope: Scope): Value {
    // These two look at failures, so they cannot be ordinary functions.
    if (name === 'try') return this.#try(args, range, scope);
    if (name === 'can') return this.#can(args[0], range, scope);
    const values = args.map((argument) => this.value(argument, scope));
    const last = values.at(-1);
    if (spread && (last === undefined || !isList(last))) throw this.#error(range, '"..." needs a list before it.');
    const all = spread ? [...values.slice(0, -1), ...(last as readonly Value[])] : values;
    let result: Value | undefined;
    try {
      result = scope.call(name, all);
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error;
      throw this.#error(range, `${name}() failed: ${error.message}.`);
    }
    if (result !== undefined) return result;
    const nearest = nearestWord(name, scope.functionNames());
    throw this.#error(
      range,
      `There is no function "${name}".`,
      nearest === undefined ? undefined : `Did you mean "${nearest}"?`,
    );
  }

  #try(args: readonly Expression[], range: SourceRange, scope: Scope): Value {
    for (const argument of args) {
      const value = this.#attempt(argument, scope);
      if (value !== undefined) return value;
    }
    throw this.#error(range, 'None of the arguments of try() can be evaluated.');
  }

  #can(argument: Expression | undefined, range: SourceRange, scope: Scope): boolean {
    if (argument === undefined) throw this.#error(range, 'can() takes one argument.');
    return this.#attempt(argument, scope) !== undefined;
  }

  #attempt(expression: Expression, scope: Scope): Value | undefined {
    try {
      return this.value(expression, scope);
    } catch (error) {
      if (isBuildError(error, 'BAKE_INVALID')) return undefined;
      throw error;
    }
  }

  #template(parts: readonly TemplatePart[], range: SourceRange, scope: Scope): Value {
    const [only] = parts;
    // "${x}" alone is x itself, not its text.
    if (parts.length === 1 && only?.kind === 'value') return this.value(only.value, scope);
    return parts.map((part) => this.#part(part, range, scope)).join('');
  }

  #part(part: TemplatePart, range: SourceRange, scope: Scope): string {
    switch (part.kind) {
      case 'text':
        return part.text;
      case 'value':
        return this.#text(part.value, scope, 'What stands in a string');
      case 'if': {
        const chosen = this.#bool(part.condition, scope) ? part.then : part.otherwise;
        return chosen.map((inner) => this.#part(inner, range, scope)).join('');
      }
      case 'for':
        return this.#entries(part.of, scope)
          .map(([key, value]) => {
            const inner = withVariables(scope, {
              [part.value]: value,
              ...(part.key === undefined ? {} : { [part.key]: key }),
            });
            return part.body.map((piece) => this.#part(piece, range, inner)).join('');
          })
          .join('');
    }
  }

  #loop({ key, value, of, resultKey, result, grouped, condition }: ForLoop, scope: Scope): Value {
    const list: Value[] = [];
    const map = new Map<string, Value>();
    for (const [itemKey, item] of this.#entries(of, scope)) {
      const inner = withVariables(scope, { [value]: item, ...(key === undefined ? {} : { [key]: itemKey }) });
      if (condition !== undefined && !this.#bool(condition, inner)) continue;
      const made = this.value(result, inner);
      if (resultKey === undefined) list.push(made);
      else {
        const name = this.#text(resultKey, inner, 'A key');
        const before = map.get(name);
        if (before !== undefined && !grouped) throw this.#error(resultKey.range, `The key "${name}" comes twice.`);
        map.set(name, grouped ? [...((before as readonly Value[] | undefined) ?? []), made] : made);
      }
    }
    return resultKey === undefined ? list : Object.fromEntries(map);
  }

  #entries(of: Expression, scope: Scope): ReadonlyArray<readonly [Value, Value]> {
    const value = this.value(of, scope);
    if (isList(value)) return value.map((item, at) => [at, item]);
    // Maps are gone through by their keys' order, as in HCL.
    if (isMap(value))
      return Object.keys(value)
        .toSorted()
        .map((key) => [key, value[key]!]);
    throw this.#error(of.range, `A ${typeName(value)} cannot be gone through: it is no list and no object.`);
  }

  #index(of: Value, key: Value, range: SourceRange): Value {
    if (isList(of)) {
      const at = toNumber(key);
      const item = at === undefined || !Number.isInteger(at) ? undefined : of[at];
      if (item !== undefined) return item;
      throw this.#error(range, `The list has ${of.length} items, and none at ${JSON.stringify(key)}.`);
    }
    const name = toText(key);
    if (isMap(of) && name !== undefined) {
      const item = Object.hasOwn(of, name) ? of[name] : undefined;
      if (item !== undefined) return item;
      throw this.#error(range, `The object has no "${name}".`, `It has: ${Object.keys(of).join(', ') || 'nothing'}.`);
    }
    throw this.#error(range, `A ${typeName(of)} has no parts.`);
  }

  #splat({ of, each }: Extract<Expression, { kind: 'splat' }>, scope: Scope): Value {
    const value = this.value(of, scope);
    const items = isList(value) ? value : value === null ? [] : [value];
    return items.map((item) => this.value(each, withVariables(scope, { [SPLAT_ITEM]: item })));
  }

  #binary({ operator, left, right }: Extract<Expression, { kind: 'binary' }>, scope: Scope): Value {
    switch (operator) {
      case '||':
        return this.#bool(left, scope) || this.#bool(right, scope);
      case '&&':
        return this.#bool(left, scope) && this.#bool(right, scope);
      case '==':
        return isEqual(this.value(left, scope), this.value(right, scope));
      case '!=':
        return !isEqual(this.value(left, scope), this.value(right, scope));
      default:
        return this.#arithmetic(operator, { left, right }, scope);
    }
  }

  #arithmetic(
    operator: Exclude<BinaryOperator, '||' | '&&' | '==' | '!='>,
    { left, right }: { readonly left: Expression; readonly right: Expression },
    scope: Scope,
  ): Value {
    const a = this.#number(left, scope);
    const b = this.#number(right, scope);
    if ((operator === '/' || operator === '%') && b === 0) throw this.#error(right.range, 'This divides by zero.');
    const results = {
      '<': () => a < b,
      '>': () => a > b,
      '<=': () => a <= b,
      '>=': () => a >= b,
      '+': () => a + b,
      '-': () => a - b,
      '*': () => a * b,
      '/': () => a / b,
      '%': () => a % b,
    };
    return results[operator]();
  }

  #bool(expression: Expression, scope: Scope): boolean {
    const value = this.value(expression, scope);
    return toBool(value) ?? this.#wrong(expression.range, `A ${typeName(value)} is no bool`);
  }

  #number(expression: Expression, scope: Scope): number {
    const value = this.value(expression, scope);
    return toNumber(value) ?? this.#wrong(expression.range, `A ${typeName(value)} is no number`);
  }

  #text(expression: Expression, scope: Scope, what: string): string {
    const value = this.value(expression, scope);
    return toText(value) ?? this.#wrong(expression.range, `${what} cannot be ${typeName(value)}`);
  }

  #wrong(range: SourceRange, message: string): never {
    throw this.#error(range, `${message}.`);
  }
}

/** A scope within another: its variables hide those of the same name. */
export function withVariables(scope: Scope, variables: { readonly [name: string]: Value }): Scope {
  return {
    ...scope,
    variable: (name) => (Object.hasOwn(variables, name) ? variables[name] : scope.variable(name)),
    variableNames: () => [...Object.keys(variables), ...scope.variableNames()],
  };
}
