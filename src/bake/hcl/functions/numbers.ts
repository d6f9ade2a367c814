import { FunctionError } from '../evaluate.ts';
import { isEqual, toText, typeName, type Value } from '../values.ts';
import { bool, type FunctionTable, integer, number, text } from './signature.ts';

/** Functions over numbers and bools, and conversions. */
export const NUMBER_FUNCTIONS: FunctionTable = {
  abs: (value) => Math.abs(number(value)),
  absolute: (value) => Math.abs(number(value)),
  add: (a, b) => number(a) + number(b),
  and: (a, b) => bool(a) && bool(b),
  ceil: (value) => Math.ceil(number(value)),
  divide: (a, b) => number(a) / nonZero(number(b)),
  equal: (a, b) => isEqual(a!, b!),
  floor: (value) => Math.floor(number(value)),
  greaterthan: (a, b) => number(a) > number(b),
  greaterthanorequalto: (a, b) => number(a) >= number(b),
  int: (value) => Math.trunc(number(value)),
  lessthan: (a, b) => number(a) < number(b),
  lessthanorequalto: (a, b) => number(a) <= number(b),
  log: (value, base) => Math.log(number(value)) / Math.log(number(base)),
  max: (...values) => Math.max(...values.map(number)),
  min: (...values) => Math.min(...values.map(number)),
  modulo: (a, b) => number(a) % nonZero(number(b)),
  multiply: (a, b) => number(a) * number(b),
  negate: (value) => -number(value),
  not: (value) => !bool(value),
  notequal: (a, b) => !isEqual(a!, b!),
  or: (a, b) => bool(a) || bool(b),
  parseint: (value, base) => parseInteger(text(value), integer(base)),
  pow: (value, power) => number(value) ** number(power),
  signum: (value) => Math.sign(number(value)),
  subtract: (a, b) => number(a) - number(b),
  tobool: (value) => bool(value),
  tonumber: (value) => number(value),
  tostring: (value) => toText(value ?? null) ?? fail(`a ${typeName(value ?? null)} is no string`),
};

function nonZero(value: number): number {
  return value === 0 ? fail('this divides by zero') : value;
}

function parseInteger(digits: string, base: number): Value {
  const value = base >= 2 && base <= 36 ? Number.parseInt(digits, base) : Number.NaN;
  const isWhole =
    /^-?[0-9a-z]+$/i.test(digits) && value.toString(base) === digits.toLowerCase().replace(/^(-?)0+(?=.)/, '$1');
  return isWhole ? value : fail(`${JSON.stringify(digits)} is no number of base ${base}`);
}

function fail(why: string): never {
  throw new FunctionError(why);
}
