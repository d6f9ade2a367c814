import { parseDocument } from 'yaml';
import type { SourceRange } from '../core/index.ts';
import { errorAt } from './hcl/reader.ts';
import { interpolate } from './interpolate.ts';
import type { FileTargets, TargetSource } from './read-targets.ts';
import type { BakeFile, BakeOutside, BakeTarget } from './types.ts';

type Yaml = string | number | boolean | null | readonly Yaml[] | { readonly [key: string]: Yaml };
type YamlMap = { readonly [key: string]: Yaml };

const START: SourceRange = { start: { line: 1, column: 1 }, end: { line: 1, column: 2 } };

/**
 * Reads the `build:` sections of a compose file's services (compose-spec, build.md) as targets, and `x-bake` in them. All of
 * them make the group `default`.
 *
 * @throws BuildError `BAKE_INVALID`.
 */
export function readCompose(file: BakeFile, { env }: Pick<BakeOutside, 'env'>): FileTargets {
  const document = parseYaml(file);
  const services = isMap(document) && isMap(document['services'] ?? null) ? (document['services'] as YamlMap) : {};
  const place = { file, range: START };
  const reader = new ServiceReader(file, env);
  const targets = Object.entries(services).flatMap(([name, service]): TargetSource[] => {
    const build = isMap(service) ? service['build'] : undefined;
    if (!isMap(service) || build === undefined || build === null) return [];
    return [{ name: name.replaceAll('.', '_'), inherits: [], target: reader.target(service, build), place }];
  });
  if (targets.length === 0) return { targets, groups: [] };
  return { targets, groups: [{ name: 'default', targets: targets.map(({ name }) => name), place }] };
}

function parseYaml(file: BakeFile): Yaml {
  const document = parseDocument(file.text, { merge: true });
  const [error] = document.errors;
  if (error === undefined) return document.toJS() as Yaml;
  const [start, end = start] = error.linePos ?? [];
  const range =
    start === undefined || end === undefined
      ? START
      : { start: { line: start.line, column: start.col }, end: { line: end.line, column: end.col + 1 } };
  throw errorAt(file, range, `${file.fileName} is no YAML: ${error.message.split('\n')[0]}`);
}

function isMap(value: Yaml): value is YamlMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Attributes of `build:` that are lists of texts, with their names in a target. */
const LISTS: Readonly<Record<string, keyof BakeTarget>> = {
  cache_from: 'cache-from',
  cache_to: 'cache-to',
  platforms: 'platforms',
  tags: 'tags',
  entitlements: 'entitlements',
};
const TEXTS: Readonly<Record<string, keyof BakeTarget>> = {
  context: 'context',
  dockerfile: 'dockerfile',
  dockerfile_inline: 'dockerfile-inline',
  target: 'target',
  network: 'network',
  shm_size: 'shm-size',
};
const MAPS: Readonly<Record<string, keyof BakeTarget>> = {
  args: 'args',
  labels: 'labels',
  extra_hosts: 'extra-hosts',
};
const FLAGS: Readonly<Record<string, keyof BakeTarget>> = { no_cache: 'no-cache', pull: 'pull' };

/** Reads the services of one file. */
class ServiceReader {
  readonly #file: BakeFile;
  readonly #env: BakeOutside['env'];

  constructor(file: BakeFile, env: BakeOutside['env']) {
    this.#file = file;
    this.#env = env;
  }

  target(service: YamlMap, build: Yaml): BakeTarget {
    if (typeof build === 'string') return { context: this.#text(build), ...this.#imageTag(service, []) };
    if (!isMap(build)) throw this.#error('A `build:` is a directory or an object');
    const target: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(build)) this.#attribute(target, key, value);
    const tags = (target['tags'] as readonly string[] | undefined) ?? [];
    const bake = build['x-bake'];
    if (bake !== undefined && isMap(bake)) this.#extension(target, bake);
    return {
      context: '.',
      ...target,
      ...this.#imageTag(service, (target['tags'] as readonly string[] | undefined) ?? tags),
    };
  }

  /** The service's image is what the build is called, unless it has tags of its own. */
  #imageTag({ image }: YamlMap, tags: readonly string[]): Pick<BakeTarget, 'tags'> {
    if (tags.length > 0) return { tags };
    return typeof image === 'string' ? { tags: [this.#text(image)] } : {};
  }

  #attribute(target: Record<string, unknown>, key: string, value: Yaml): void {
    if (value === null || key.startsWith('x-')) return;
    if (key in TEXTS) target[TEXTS[key]!] = this.#text(value);
    else if (key in FLAGS) target[FLAGS[key]!] = value === true || value === 'true';
    else if (key in LISTS) target[LISTS[key]!] = this.#list(value);
    else if (key === 'additional_contexts') target['contexts'] = this.#contexts(value);
    else if (key in MAPS) target[MAPS[key]!] = this.#map(value, key);
    else if (key === 'ssh') target['ssh'] = this.#list(value);
    else if (key === 'secrets') target['secret'] = this.#secrets(value);
    else if (key === 'ulimits') target['ulimits'] = this.#ulimits(value);
    else if (key !== 'privileged' && key !== 'isolation') throw this.#error(`\`build:\` has no "${key}"`);
  }

  /** `x-bake:` has a target's own names, with `-` or `_`. */
  #extension(target: Record<string, unknown>, bake: YamlMap): void {
    for (const [name, value] of Object.entries(bake)) {
      const key = name.replaceAll('_', '-');
      if (['no-cache', 'pull'].includes(key)) target[key] = value === true || value === 'true';
      else if (['args', 'contexts', 'labels', 'extra-hosts'].includes(key)) target[key] = this.#map(value, name);
      else target[key] = this.#list(value);
    }
  }

  #text(value: Yaml): string {
    if (typeof value === 'object') throw this.#error('A list or an object stands where a text should be');
    return interpolate(String(value), this.#env, (why) => this.#error(why));
  }

  #list(value: Yaml): readonly string[] {
    if (Array.isArray(value)) return value.map((item: Yaml) => this.#text(item));
    return [this.#text(value)];
  }

  #map(value: Yaml, key: string): Readonly<Record<string, string>> {
    const separator = key === 'extra_hosts' || key === 'extra-hosts' ? /[=:]/ : /=/;
    const entries = isMap(value)
      ? Object.entries(value)
      : this.#list(value).map((text): [string, Yaml] => {
          const at = text.search(separator);
          return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
        });
    // A name without a value takes the environment's, and is left out where there is none.
    return Object.fromEntries(
      entries.flatMap(([name, item]): [string, string][] => {
        const given = item === null ? this.#env[name] : this.#text(item);
        return given === undefined ? [] : [[name, given]];
      }),
    );
  }

  /** Another service's image is another target's. */
  #contexts(value: Yaml): Readonly<Record<string, string>> {
    const contexts = Object.entries(this.#map(value, 'contexts'));
    return Object.fromEntries(contexts.map(([name, source]) => [name, source.replace(/^service:/, 'target:')]));
  }

  #secrets(value: Yaml): readonly string[] {
    if (!Array.isArray(value)) throw this.#error('`secrets:` is no list');
    return value.map((item: Yaml) => {
      const id = isMap(item) ? item['source'] : item;
      if (typeof id !== 'string') throw this.#error('A secret has no name');
      return this.#secretSpec(id);
    });
  }

  #secretSpec(id: string): string {
    const all = (parseYaml(this.#file) as YamlMap)['secrets'];
    const secret = all !== undefined && isMap(all) ? all[id] : undefined;
    if (secret === undefined || !isMap(secret)) throw this.#error(`There is no secret "${id}" in the file`);
    const { file, environment } = secret;
    if (typeof file === 'string') return `id=${id},src=${this.#text(file)}`;
    if (typeof environment === 'string') return `id=${id},env=${environment}`;
    throw this.#error(`The secret "${id}" has neither file nor environment`);
  }

  #ulimits(value: Yaml): readonly string[] {
    if (!isMap(value)) throw this.#error('`ulimits:` is no object');
    return Object.entries(value).map(([name, limit]) =>
      isMap(limit)
        ? `${name}=${this.#text(limit['soft'] ?? '')}:${this.#text(limit['hard'] ?? '')}`
        : `${name}=${this.#text(limit)}`,
    );
  }

  #error(message: string): Error {
    return errorAt(this.#file, START, `${message}.`);
  }
}
