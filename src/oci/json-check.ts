import { BuildError } from '../core/index.ts';

/** Accepts a value or throws `IMAGE_INVALID` with the path to what is wrong. */
export type Check = (value: unknown, path: string) => void;

/** What an object must and may have; other fields are let through untouched. */
export interface Fields {
  readonly required?: Readonly<Record<string, Check>>;
  readonly optional?: Readonly<Record<string, Check>>;
}

export function invalidAt(path: string, why: string): BuildError<'IMAGE_INVALID'> {
  return new BuildError('IMAGE_INVALID', `The image cannot be read: "${path}" ${why}.`, {
    hint: 'The image does not follow the OCI image specification: ask the one who made it, or pull it again.',
  });
}

/** Short and safe to print. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

export function isText(value: unknown, path: string): void {
  if (typeof value !== 'string') throw invalidAt(path, `must be a text, not ${shown(value)}`);
}

export function isFlag(value: unknown, path: string): void {
  if (typeof value !== 'boolean') throw invalidAt(path, `must be true or false, not ${shown(value)}`);
}

export function isCount(value: unknown, path: string): void {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
    throw invalidAt(path, `must be a whole number of at least 0, not ${shown(value)}`);
  }
}

export function isTextLike(pattern: RegExp, what: string): Check {
  return (value, path) => {
    if (typeof value !== 'string' || !pattern.test(value))
      throw invalidAt(path, `must be ${what}, not ${shown(value)}`);
  };
}

export function isExactly(expected: string | number): Check {
  return (value, path) => {
    if (value !== expected) throw invalidAt(path, `must be ${shown(expected)}, not ${shown(value)}`);
  };
}

/** Go writes an empty list, map or pointer as null; docker's documents have many of them. */
export function orNull(check: Check): Check {
  return (value, path) => {
    if (value !== null) check(value, path);
  };
}

export function isListOf(check: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) throw invalidAt(path, `must be a list, not ${shown(value)}`);
    value.forEach((item, i) => {
      check(item, `${path}[${i}]`);
    });
  };
}

export function isMapOf(check: Check): Check {
  return (value, path) => {
    for (const [key, item] of Object.entries(asObject(value, path))) check(item, `${path}[${JSON.stringify(key)}]`);
  };
}

export function isObjectWith({ required = {}, optional = {} }: Fields): Check {
  return (value, path) => {
    const object = asObject(value, path);
    for (const [name, check] of Object.entries(required)) {
      if (object[name] === undefined) throw invalidAt(joined(path, name), 'is missing');
      check(object[name], joined(path, name));
    }
    for (const [name, check] of Object.entries(optional)) {
      if (object[name] !== undefined) check(object[name], joined(path, name));
    }
  };
}

function joined(path: string, name: string): string {
  return path === '$' ? name : `${path}.${name}`;
}

function asObject(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidAt(path, `must be an object, not ${shown(value)}`);
  }
  return value as Record<string, unknown>;
}

/** @throws BuildError `IMAGE_INVALID` when the bytes are no JSON. */
export function parseJson(bytes: Uint8Array | string, what: string): unknown {
  const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BuildError('IMAGE_INVALID', `The ${what} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
}
