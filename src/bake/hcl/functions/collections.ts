import { FunctionError } from '../evaluate.ts';
import { isEqual, isList, isMap, type Value, type ValueMap } from '../values.ts';
import { bool, type FunctionTable, integer, list, map, text } from './signature.ts';
import { lengthOf } from './strings.ts';

/** Functions over lists, sets (which are lists without repetition here) and objects. */
export const COLLECTION_FUNCTIONS: FunctionTable = {
  alltrue: (values) => list(values).every(bool),
  anytrue: (values) => list(values).some(bool),
  chunklist: (values, size) => chunk(list(values), integer(size)),
  coalesce: (...values) => firstThat(values, (value) => value !== null && value !== ''),
  coalescelist: (...values) => firstThat(values, (value) => isList(value) && value.length > 0),
  compact: (values) => list(values).filter((value) => value !== '' && value !== null),
  concat: (...lists) => lists.flatMap(list),
  contains: (values, wanted) => has(list(values), wanted!),
  distinct: (values) => unique(list(values)),
  element: (values, at) => elementOf(list(values), integer(at)),
  flatten: (values) => flatten(list(values)),
  hasindex: (values, key) => hasIndex(values!, key!),
  index: (values, wanted) => indexOf(values!, wanted!),
  indexof: (values, wanted) => list(values).findIndex((value) => isEqual(value, wanted!)),
  keys: (values) => Object.keys(map(values)).toSorted(),
  length: (value) => lengthOf(value),
  lookup: (values, key, fallback) => {
    const of = map(values);
    if (Object.hasOwn(of, text(key))) return of[text(key)]!;
    if (fallback === undefined) throw new FunctionError(`there is no key ${JSON.stringify(key)}`);
    return fallback;
  },
  merge: (...values) => Object.assign({}, ...values.filter((value) => value !== null).map(map)) as ValueMap,
  one: (values) => {
    if (list(values).length > 1) throw new FunctionError('the list has more than one item');
    return list(values)[0] ?? null;
  },
  range: (...bounds) => range(bounds.map(integer)),
  reverselist: (values) => list(values).toReversed(),
  sethaselement: (values, wanted) => has(list(values), wanted!),
  setintersection: (first, ...others) =>
    list(first).filter((value) => others.every((other) => has(list(other), value))),
  setproduct: (...lists) => product(lists.map(list)),
  setsubtract: (first, second) => list(first).filter((value) => !has(list(second), value)),
  setsymmetricdifference: (first, second) => [
    ...list(first).filter((value) => !has(list(second), value)),
    ...list(second).filter((value) => !has(list(first), value)),
  ],
  setunion: (...lists) => unique(lists.flatMap(list)),
  slice: (values, from, to) => list(values).slice(integer(from), to === undefined ? undefined : integer(to)),
  sort: (values) => list(values).map(text).toSorted(),
  toset: (values) => unique(list(values)),
  tolist: (values) => list(values),
  values: (values) =>
    Object.keys(map(values))
      .toSorted()
      .map((key) => map(values)[key]!),
  zipmap: (keys, values) => {
    if (list(keys).length !== list(values).length) throw new FunctionError('the lists have different lengths');
    return Object.fromEntries(list(keys).map((key, at) => [text(key), list(values)[at]!]));
  },
};

function firstThat(values: readonly Value[], test: (value: Value) => boolean): Value {
  const found = values.find(test);
  if (found === undefined) throw new FunctionError('all values are empty');
  return found;
}

function has(values: readonly Value[], wanted: Value): boolean {
  return values.some((value) => isEqual(value, wanted));
}

function unique(values: readonly Value[]): readonly Value[] {
  return values.filter((value, at) => values.findIndex((other) => isEqual(other, value)) === at);
}

function chunk(values: readonly Value[], size: number): readonly Value[] {
  if (size < 1) throw new FunctionError('a chunk has at least one item');
  return Array.from({ length: Math.ceil(values.length / size) }, (_, at) => values.slice(at * size, (at + 1) * size));
}

/** Beyond the end it begins anew. */
function elementOf(values: readonly Value[], at: number): Value {
  if (values.length === 0) throw new FunctionError('the list is empty');
  return values[((at % values.length) + values.length) % values.length]!;
}

function flatten(values: readonly Value[]): readonly Value[] {
  return values.flatMap((value) => (isList(value) ? flatten(value) : [value]));
}

function hasIndex(values: Value, key: Value): boolean {
  if (isMap(values)) return Object.hasOwn(values, text(key));
  return integer(key) >= 0 && integer(key) < list(values).length;
}

function indexOf(values: Value, wanted: Value): Value {
  const item = isMap(values) ? values[text(wanted)] : list(values)[integer(wanted)];
  if (item === undefined) throw new FunctionError(`there is nothing at ${JSON.stringify(wanted)}`);
  return item;
}

const MAX_RANGE = 10_000;

function range([first = 0, second, step]: readonly number[]): readonly number[] {
  const [from, to] = second === undefined ? [0, first] : [first, second];
  const by = step ?? (to < from ? -1 : 1);
  const length = by === 0 ? Number.POSITIVE_INFINITY : Math.max(0, Math.ceil((to - from) / by));
  if (length > MAX_RANGE) throw new FunctionError(`the range has more than ${MAX_RANGE} items`);
  return Array.from({ length }, (_, at) => from + at * by);
}

function product(lists: ReadonlyArray<readonly Value[]>): readonly Value[] {
  if (lists.reduce((size, items) => size * items.length, 1) > MAX_RANGE) {
    throw new FunctionError(`the product has more than ${MAX_RANGE} items`);
  }
  return lists.reduce<ReadonlyArray<readonly Value[]>>(
    (made, items) => made.flatMap((before) => items.map((item) => [...before, item])),
    [[]],
  );
}
