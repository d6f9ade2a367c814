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
type Table = Readonly<Record<string, unknown>>;

/** What names without a registry mean on this machine. */
export interface ShortNames {
  /** Full names by short ones, neither with a tag. */
  readonly aliases: Readonly<Record<string, string>>;
  /** Where a name that is no alias is looked for, in order. */
  readonly searchRegistries: readonly string[];
}

/**
 * The `[[registry]]` tables by prefix (containers-registries.conf(5), version 2). The user's `registries.conf` stands in for
 * the system's; drop-in files, read in the order of their names, replace tables of the same prefix.
 */
export async function readRegistriesConf(places: RegistriesConfPlaces): Promise<Rules> {
  const rules: Record<string, RegistryHostOptions> = {};
  // Most machines have no table in it: the parser is for those that do.
  for (const file of await readFiles(places)) {
    if (/^\s*\[\[?\s*registry\b/m.test(file.text))
      Object.assign(rules, await parseRegistriesConf(file.text, file.path));
  }
  return rules;
}

/**
 * `unqualified-search-registries`, of which the last file that has it decides, and the `[aliases]` of all files, later ones
 * winning; an empty alias takes one away (containers-registries.conf(5), "NOTE: RISK OF USING UNQUALIFIED IMAGE NAMES").
 *
 * @throws BuildError `REGISTRY_CONFIG_INVALID` naming the file.
 */
export async function readShortNames(places: RegistriesConfPlaces): Promise<ShortNames> {
  let searchRegistries: readonly string[] = [];
  const aliases: Record<string, string> = {};
  for (const { text, path } of await readFiles(places)) {
    const document = await parseToml(text, path);
    const search = document['unqualified-search-registries'];
    if (search !== undefined) searchRegistries = textList(search, path);
    for (const [name, target] of Object.entries((document['aliases'] ?? {}) as Table)) {
      if (typeof target !== 'string') throw invalid(path, `the alias "${name}" is no text`);
      if (target === '') delete aliases[name];
      else aliases[name] = target;
    }
  }
  return { aliases, searchRegistries };
}

interface ConfFile {
  readonly path: string;
  readonly text: string;
}

/** The files that there are, in the order in which later ones win. */
async function readFiles({ env, userDirectory, systemDirectory }: RegistriesConfPlaces): Promise<readonly ConfFile[]> {
  const named = env.CONTAINERS_REGISTRIES_CONF;
  if (named !== undefined && named !== '') return present([await readConf(named)]);
  const main =
    (await readConf(join(userDirectory, 'registries.conf'))) ??
    (await readConf(join(systemDirectory, 'registries.conf')));
  const files = [main];
  for (const directory of [systemDirectory, userDirectory]) {
    const dropIns = join(directory, 'registries.conf.d');
    const names = (await readdir(dropIns).catch(() => [])).filter((name) => name.endsWith('.conf')).sort();
    for (const name of names) files.push(await readConf(join(dropIns, name)));
  }
  return present(files);
}

function present(files: ReadonlyArray<ConfFile | undefined>): readonly ConfFile[] {
  return files.filter((file) => file !== undefined);
}

/** Undefined when there is no such file. */
async function readConf(path: string): Promise<ConfFile | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : { path, text };
}

/** The `[[registry]]` tables of a file. @throws BuildError `REGISTRY_CONFIG_INVALID` naming the file and the place in it. */
export async function parseRegistriesConf(text: string, path: string): Promise<Rules> {
  const tables = (await parseToml(text, path))['registry'] ?? [];
  if (!Array.isArray(tables)) throw invalid(path, '"registry" is no array of tables (write [[registry]])');
  return Object.fromEntries(tables.map((table) => toRule(table as Table, path)));
}

async function parseToml(text: string, path: string): Promise<Table> {
  const { parse } = await import('smol-toml');
  try {
    return parse(text);
  } catch (error) {
    throw invalid(path, (error as Error).message.split('\n')[0] ?? 'it is no TOML document', error);
  }
}

function textList(value: unknown, path: string): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw invalid(path, '"unqualified-search-registries" is no list of texts');
}

function toRule(table: Table, path: string): readonly [string, RegistryHostOptions] {
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
  table: Table,
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

function textField(table: Table, name: string, path: string): string | undefined {
  const value = table[name];
  if (value === undefined || typeof value === 'string') return value?.replace(/\/+$/, '');
  throw invalid(path, `"${name}" is no text`);
}

function flagField(table: Table, name: string, path: string): boolean {
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
