import { FunctionError } from '../evaluate.ts';
import { isList, isMap, toBool, toNumber, toText, typeName, type Value, type ValueMap } from '../values.ts';

/** A function of the language. @throws FunctionError for arguments that it cannot take. */
export type HclFunction = (...args: readonly Value[]) => Value;

/** Functions by name. */
export type FunctionTable = Readonly<Record<string, HclFunction>>;

/** An argument as a string. @throws FunctionError */
export function text(value: Value | undefined): string {
  return (value === undefined ? undefined : toText(value)) ?? refuse(value, 'a string');
}

/** An argument as a number. @throws FunctionError */
export function number(value: Value | undefined): number {
  return (value === undefined ? undefined : toNumber(value)) ?? refuse(value, 'a number');
}

/** An argument as a whole number. @throws FunctionError */
export function integer(value: Value | undefined): number {
  const result = number(value);
  return Number.isSafeInteger(result) ? result : refuse(value, 'a whole number');
}

/** An argument as a bool. @throws FunctionError */
export function bool(value: Value | undefined): boolean {
  return (value === undefined ? undefined : toBool(value)) ?? refuse(value, 'a bool');
}

/** An argument as a list. @throws FunctionError */
export function list(value: Value | undefined): readonly Value[] {
  return value !== undefined && isList(value) ? value : refuse(value, 'a list');
}

/** An argument as a map or object. @throws FunctionError */
export function map(value: Value | undefined): ValueMap {
  return value !== undefined && isMap(value) ? value : refuse(value, 'an object');
}

function refuse(value: Value | undefined, wanted: string): never {
  throw new FunctionError(value === undefined ? `${wanted} is missing` : `${typeName(value)} is not ${wanted}`);
}
