import type { ShortNames } from './registries-conf.ts';

/**
 * What a name of an image may mean, best first: itself when it names a registry; else its alias; else the name below each of
 * the registries that are searched. Without any of these it is Docker Hub's, as everywhere.
 */
export function expandShortName(name: string, { aliases, searchRegistries }: ShortNames): readonly string[] {
  const [first = ''] = name.split('/');
  const hasRegistry = first !== name && (/[.:]/.test(first) || first === 'localhost');
  if (hasRegistry || name.includes('://')) return [name];
  const [, path = name, rest = ''] = /^([^:@]*)(.*)$/s.exec(name) ?? [];
  const alias = aliases[path];
  if (alias !== undefined) return [`${alias}${rest}`];
  return searchRegistries.length === 0 ? [name] : searchRegistries.map((registry) => `${registry}/${path}${rest}`);
}
