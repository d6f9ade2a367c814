/** A value of HCL. Numbers are doubles: whole ones are exact up to 2^53. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

/** A map or object of HCL. */
export type ValueMap = { readonly [key: string]: Value };

/** Tells an object from a list. */
export function isMap(value: Value): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Tells a list from an object. */
export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** What a value is called in messages. */
export function typeName(value: Value): string {
  if (value === null) return 'null';
  if (isList(value)) return 'list';
  return isMap(value) ? 'object' : typeof value;
}

/** A string, number or bool as a string, as HCL converts them; undefined for others. */
export function toText(value: Value): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}

/** A number, or a string that is one; undefined for others. */
export function toNumber(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value) ? Number(value) : undefined;
}

/** A bool, or the string `true` or `false`; undefined for others. */
export function toBool(value: Value): boolean | undefined {
  if (typeof value === 'boolean') return value;
  return value === 'true' ? true : value === 'false' ? false : undefined;
}

/** Equal type and content. */
export function isEqual(a: Value, b: Value): boolean {
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, at) => isEqual(item, b[at]!));
  if (isMap(a) && isMap(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key]!, b[key]!))
    );
  }
  return a === b;
}
