import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError } from '../core/index.ts';
import type { RegistryHostOptions, RegistryMirror } from './types.ts';

/** Where `registries.conf` and its drop-in directory lie. */
export interface RegistriesConfPlaces {
  /** `CONTAINERS_REGISTRIES_CONF` names one file instead of all others. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly userDirectory: string;
  readonly systemDirectory: string;
}

type Rules = Readonly<Record<string, RegistryHostOptions>>;

/**
 * The `[[registry]]` tables by prefix (containers-registries.conf(5), version 2). The user's `registries.conf` stands in for
 * the system's; drop-in files, read in the order of their names, replace tables of the same prefix.
 */
export async function readRegistriesConf(places: RegistriesConfPlaces): Promise<Rules> {
  const { env, userDirectory, systemDirectory } = places;
  const named = env.CONTAINERS_REGISTRIES_CONF;
  if (named !== undefined && named !== '') return (await readRules(named)) ?? {};
  const main =
    (await readRules(join(userDirectory, 'registries.conf'))) ??
    (await readRules(join(systemDirectory, 'registries.conf')));
  let rules: Rules = main ?? {};
  for (const directory of [systemDirectory, userDirectory]) {
    const dropIns = join(directory, 'registries.conf.d');
    const names = (await readdir(dropIns).catch(() => [])).filter((name) => name.endsWith('.conf')).sort();
    for (const name of names) rules = { ...rules, ...(await readRules(join(dropIns, name))) };
  }
  return rules;
}

/** Undefined when there is no such file. */
async function readRules(path: string): Promise<Rules | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  return parseRegistriesConf(text, path);
}

/** @throws BuildError `REGISTRY_CONFIG_INVALID` naming the file and the place in it. */
export async function parseRegistriesConf(text: string, path: string): Promise<Rules> {
  // Most machines have no table in it: the parser is for those that do.
  if (!/^\s*\[\[?\s*registry\b/m.test(text)) return {};
  const { parse } = await import('smol-toml');
  let document: Readonly<Record<string, unknown>>;
  try {
    document = parse(text);
  } catch (error) {
    throw invalid(path, (error as Error).message.split('\n')[0] ?? 'it is no TOML document', error);
  }
  const tables = document.registry ?? [];
  if (!Array.isArray(tables)) throw invalid(path, '"registry" is no array of tables (write [[registry]])');
  return Object.fromEntries(tables.map((table) => toRule(table as Readonly<Record<string, unknown>>, path)));
}

function toRule(table: Readonly<Record<string, unknown>>, path: string): readonly [string, RegistryHostOptions] {
  const location = textField(table, 'location', path);
  const prefix = textField(table, 'prefix', path) || location;
  if (prefix === undefined || prefix === '') throw invalid(path, 'a [[registry]] has neither prefix nor location');
  const mirrors = table.mirror ?? [];
  if (!Array.isArray(mirrors)) throw invalid(path, `"mirror" of "${prefix}" is no array of tables`);
  const digestOnly = table['mirror-by-digest-only'] === true;
  return [
    prefix,
    {
      ...(flagField(table, 'insecure', path) ? { insecure: true } : {}),
      ...(flagField(table, 'blocked', path) ? { blocked: true } : {}),
      ...(location === undefined || location === prefix ? {} : { location }),
      ...(mirrors.length === 0
        ? {}
        : { mirrors: mirrors.map((mirror) => toMirror(mirror, { path, prefix, digestOnly })) }),
    },
  ];
}

function toMirror(
  table: Readonly<Record<string, unknown>>,
  of: { readonly path: string; readonly prefix: string; readonly digestOnly: boolean },
): RegistryMirror {
  const url = textField(table, 'location', of.path);
  if (url === undefined || url === '') throw invalid(of.path, `a mirror of "${of.prefix}" has no location`);
  const pullFrom = textField(table, 'pull-from-mirror', of.path) ?? (of.digestOnly ? 'digest-only' : 'all');
  if (pullFrom !== 'all' && pullFrom !== 'digest-only' && pullFrom !== 'tag-only') {
    throw invalid(of.path, `"pull-from-mirror" of "${url}" is "${pullFrom}", not all, digest-only or tag-only`);
  }
  return { url, pullFrom, ...(flagField(table, 'insecure', of.path) ? { insecure: true } : {}) };
}

function textField(table: Readonly<Record<string, unknown>>, name: string, path: string): string | undefined {
  const value = table[name];
  if (value === undefined || typeof value === 'string') return value?.replace(/\/+$/, '');
  throw invalid(path, `"${name}" is no text`);
}

function flagField(table: Readonly<Record<string, unknown>>, name: string, path: string): boolean {
  const value = table[name] ?? false;
  if (typeof value === 'boolean') return value;
  throw invalid(path, `"${name}" is neither true nor false`);
}

function invalid(path: string, why: string, cause?: unknown): BuildError {
  return new BuildError('REGISTRY_CONFIG_INVALID', `Could not use ${path}: ${why}.`, {
    hint: 'Correct the file; its format is described in containers-registries.conf(5), version 2.',
    cause,
  });
}
