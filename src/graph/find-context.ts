import { familiarReference, formatPlatform, type Platform, parseReference } from '../core/index.ts';
import type { NamedContext } from './lower-options.ts';

/** A named context with the name under which it was given. */
export interface FoundContext {
  readonly name: string;
  readonly context: NamedContext;
}

/**
 * The context that takes the place of an image or a stage. `alpine`, `alpine:latest` and `docker.io/library/alpine` are one
 * name; `name::os/arch` goes before `name`, for that platform alone (BuildKit's order).
 */
export function contextNamed(
  contexts: ReadonlyMap<string, NamedContext>,
  name: string,
  platform: Platform,
): FoundContext | undefined {
  if (contexts.size === 0) return undefined;
  const wanted = normalizeName(name);
  const given = [...contexts].map(([key, context]) => ({ key: normalizeKey(key), name: key, context }));
  for (const key of [`${wanted}::${formatPlatform(platform)}`, wanted]) {
    const found = given.findLast((entry) => entry.key === key);
    if (found !== undefined) return { name: found.name, context: found.context };
  }
  return undefined;
}

function normalizeKey(key: string): string {
  const colons = key.indexOf('::');
  return colons < 0 ? normalizeName(key) : normalizeName(key.slice(0, colons)) + key.slice(colons);
}

function normalizeName(name: string): string {
  try {
    return familiarReference(parseReference(name.toLowerCase())).replace(/:latest$/, '');
  } catch {
    return name.toLowerCase();
  }
}
