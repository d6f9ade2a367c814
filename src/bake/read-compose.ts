import { nearestWord } from '../core/index.ts';
import { errorAt } from './hcl/reader.ts';
import { interpolate } from './interpolate.ts';
import { isYamlMap, parseYaml, type Yaml, type YamlFile, type YamlMap, type YamlPath } from './parse-yaml.ts';
import type { FileTargets, TargetSource } from './read-targets.ts';
import { ATTRIBUTES, type BakeFile, type BakeOutside, type BakeTarget } from './types.ts';

/**
 * Reads the `build:` sections of a compose file's services (compose-spec, build.md) as targets, of services of every profile,
 * and `x-bake` in them. All of them make the group `default`.
 *
 * @throws BuildError `BAKE_INVALID` at what is wrong, or is not read: `include`, services of other files.
 */
export function readCompose(file: BakeFile, { env }: Pick<BakeOutside, 'env'>): FileTargets {
  const reader = new ComposeReader(file, env);
  const targets = reader.targets();
  if (targets.length === 0) return { targets, groups: [] };
  const place = { file, range: reader.rangeOf(['services']) };
  return { targets, groups: [{ name: 'default', targets: targets.map(({ name }) => name), place }] };
}

/** Attributes of `build:` with their names in a target. */
const LISTS: Readonly<Record<string, keyof BakeTarget>> = {
  cache_from: 'cache-from',
  cache_to: 'cache-to',
  platforms: 'platforms',
  tags: 'tags',
  entitlements: 'entitlements',
  ssh: 'ssh',
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
const OTHERS = ['additional_contexts', 'secrets', 'ulimits', 'provenance', 'sbom', 'privileged', 'isolation', 'x-bake'];

interface Found {
  readonly path: YamlPath;
  readonly value: Yaml;
}

type Attributes = Record<string, unknown>;

/** Reads the services of one file. */
class ComposeReader {
  readonly #file: BakeFile;
  readonly #env: BakeOutside['env'];
  readonly #yaml: YamlFile;
  readonly #services: YamlMap;
  readonly #secrets: YamlMap;

  constructor(file: BakeFile, env: BakeOutside['env']) {
    this.#file = file;
    this.#env = env;
    this.#yaml = parseYaml(file);
    const document = isYamlMap(this.#yaml.value) ? this.#yaml.value : {};
    if (document['include'] !== undefined) {
      throw this.#error(['include'], '`include` is not read', 'Name the other files with -f.');
    }
    this.#services = this.#mapAt(document, 'services');
    this.#secrets = this.#mapAt(document, 'secrets');
  }

  rangeOf(path: YamlPath): ReturnType<YamlFile['rangeOf']> {
    return this.#yaml.rangeOf(path);
  }

  targets(): readonly TargetSource[] {
    return Object.keys(this.#services).flatMap((name): TargetSource[] => {
      const service = this.#service(name, []);
      const found = { path: ['services', name, 'build'], value: service['build'] ?? null };
      if (found.value === null) return [];
      const place = { file: this.#file, range: this.rangeOf(['services', name]) };
      return [{ name: name.replaceAll('.', '_'), inherits: [], target: this.#target(service, found), place }];
    });
  }

  #mapAt(document: YamlMap, key: string): YamlMap {
    const value = document[key] ?? {};
    if (isYamlMap(value)) return value;
    throw this.#error([key], `\`${key}:\` is no object`);
  }

  /** A service over the one that it extends. */
  #service(name: string, path: readonly string[]): YamlMap {
    const own = this.#services[name];
    if (own === undefined || own === null) return {};
    if (!isYamlMap(own)) throw this.#error(['services', name], 'A service is an object');
    const extended = own['extends'];
    if (extended === undefined || extended === null) return own;
    const place = ['services', name, 'extends'];
    const base = isYamlMap(extended) ? extended['service'] : extended;
    if (isYamlMap(extended) && extended['file'] !== undefined) {
      throw this.#error([...place, 'file'], 'A service of another file cannot be extended', 'Name both files with -f.');
    }
    if (typeof base !== 'string' || this.#services[base] === undefined) {
      const nearest = nearestWord(String(base), Object.keys(this.#services));
      const hint = nearest === undefined ? undefined : `Did you mean "${nearest}"?`;
      throw this.#error(place, `There is no service "${String(base)}" to extend`, hint);
    }
    if (path.includes(base)) throw this.#error(place, `The service "${base}" extends itself`);
    return mergeYaml(this.#service(base, [...path, name]), own);
  }

  #target(service: YamlMap, { path, value: build }: Found): BakeTarget {
    const image = { path: [...path.slice(0, -1), 'image'], value: service['image'] ?? null };
    if (typeof build === 'string') {
      return { context: this.#text({ path, value: build }), ...this.#imageTag(image, []) };
    }
    if (!isYamlMap(build)) throw this.#error(path, 'A `build:` is a directory or an object');
    const target: Attributes = {};
    for (const [key, value] of Object.entries(build)) this.#attribute(target, key, { path: [...path, key], value });
    const bake = build['x-bake'];
    if (isYamlMap(bake)) this.#extension(target, { path: [...path, 'x-bake'], value: bake });
    const tags = (target['tags'] as readonly string[] | undefined) ?? [];
    return { context: '.', ...target, ...this.#imageTag(image, tags) };
  }

  /** The service's image is what the build is called, unless it has tags of its own. */
  #imageTag(image: Found, tags: readonly string[]): Pick<BakeTarget, 'tags'> {
    if (tags.length > 0) return { tags };
    return image.value === null ? {} : { tags: [this.#text(image)] };
  }

  #attribute(target: Attributes, key: string, found: Found): void {
    const { value, path } = found;
    if (value === null || key.startsWith('x-')) return;
    if (key in TEXTS) target[TEXTS[key]!] = this.#text(found);
    else if (key in FLAGS) target[FLAGS[key]!] = this.#flag(found);
    else if (key in LISTS) target[LISTS[key]!] = this.#list(found);
    else if (key in MAPS) target[MAPS[key]!] = this.#map(found);
    else if (key === 'additional_contexts') target['contexts'] = this.#contexts(found);
    else if (key === 'secrets') target['secret'] = this.#secretSpecs(found);
    else if (key === 'ulimits') target['ulimits'] = this.#ulimits(found);
    else if (key === 'provenance' || key === 'sbom') this.#attestation(target, key, found);
    else if (key === 'privileged') {
      if (this.#flag(found)) {
        throw this.#error(path, '`privileged` is not supported', 'Write `entitlements: [security.insecure]`.');
      }
    } else if (key === 'isolation') {
      if (value !== 'default') throw this.#error(path, 'There is one way of isolating steps', 'Leave `isolation` out.');
    } else throw this.#unknown(path, '`build:`', [...OTHERS, ...keysOf(TEXTS, FLAGS, LISTS, MAPS)]);
  }

  #attestation(target: Attributes, kind: string, found: Found): void {
    if (found.value === false || found.value === 'false') return;
    const fields = found.value === true ? '' : `,${this.#text(found)}`;
    target['attest'] = [...((target['attest'] as readonly string[] | undefined) ?? []), `type=${kind}${fields}`];
  }

  /** `x-bake:` has a target's own names, with `-` or `_`. */
  #extension(target: Attributes, { path, value }: Found & { readonly value: YamlMap }): void {
    for (const [name, item] of Object.entries(value)) {
      const key = name.replaceAll('_', '-');
      const found = { path: [...path, name], value: item };
      const kind = Object.hasOwn(ATTRIBUTES, key) ? ATTRIBUTES[key as keyof BakeTarget] : undefined;
      if (kind === undefined) throw this.#unknown(found.path, '`x-bake:`', Object.keys(ATTRIBUTES));
      if (kind === 'flag') target[key] = this.#flag(found);
      else if (kind === 'map') target[key] = this.#map(found);
      else if (kind === 'text') target[key] = this.#text(found);
      else target[key] = this.#list(found);
    }
  }

  #flag(found: Found): boolean {
    const { value } = found;
    const text = typeof value === 'boolean' ? String(value) : this.#text(found);
    if (text === 'true' || text === 'false') return text === 'true';
    throw this.#error(found.path, `"${text}" is neither true nor false`);
  }

  #text({ path, value }: Found): string {
    if (typeof value === 'object') throw this.#error(path, 'A list or an object stands where a text should be');
    return interpolate(String(value), this.#env, (why) => this.#error(path, why));
  }

  #list(found: Found): readonly string[] {
    const { path, value } = found;
    if (Array.isArray(value)) {
      return value.map((item: Yaml, at) => this.#text({ path: [...path, at], value: item }));
    }
    return [this.#text(found)];
  }

  #map(found: Found): Readonly<Record<string, string>> {
    const { path, value } = found;
    const separator = /extra.hosts/.test(String(path.at(-1))) ? /[=:]/ : /=/;
    const entries = isYamlMap(value)
      ? Object.entries(value)
      : this.#list(found).map((text): [string, Yaml] => {
          const at = text.search(separator);
          return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
        });
    // A name without a value takes the environment's, and is left out where there is none.
    return Object.fromEntries(
      entries.flatMap(([name, item]): [string, string][] => {
        // What came as a list is a text already.
        const text = isYamlMap(value) ? () => this.#text({ path: [...path, name], value: item }) : () => String(item);
        const given = item === null ? this.#env[name] : text();
        return given === undefined ? [] : [[name, given]];
      }),
    );
  }

  /** Another service's image is another target's. */
  #contexts(found: Found): Readonly<Record<string, string>> {
    const contexts = Object.entries(this.#map(found));
    return Object.fromEntries(
      contexts.map(([name, source]) => {
        const service = /^service:(.*)$/.exec(source)?.[1];
        return [name, service === undefined ? source : `target:${service.replaceAll('.', '_')}`];
      }),
    );
  }

  #secretSpecs({ path, value }: Found): readonly string[] {
    if (!Array.isArray(value)) throw this.#error(path, '`secrets:` is no list');
    return value.map((item: Yaml, at) => {
      const source = isYamlMap(item) ? item['source'] : item;
      if (typeof source !== 'string') throw this.#error([...path, at], 'A secret has no name');
      const id = isYamlMap(item) && typeof item['target'] === 'string' ? item['target'] : source;
      return this.#secretSpec([...path, at], source, id);
    });
  }

  #secretSpec(path: YamlPath, source: string, id: string): string {
    const secret = this.#secrets[source];
    if (!isYamlMap(secret)) {
      const nearest = nearestWord(source, Object.keys(this.#secrets));
      const hint = nearest === undefined ? 'Define it under `secrets:` of the file.' : `Did you mean "${nearest}"?`;
      throw this.#error(path, `There is no secret "${source}" in the file`, hint);
    }
    const { file, environment } = secret;
    if (typeof file === 'string') return `id=${id},src=${this.#text({ path: ['secrets', source], value: file })}`;
    if (typeof environment === 'string') return `id=${id},env=${environment}`;
    throw this.#error(['secrets', source], `The secret "${source}" has neither file nor environment`);
  }

  #ulimits({ path, value }: Found): readonly string[] {
    if (!isYamlMap(value)) throw this.#error(path, '`ulimits:` is no object');
    return Object.entries(value).map(([name, limit]) => {
      if (!isYamlMap(limit)) return `${name}=${this.#text({ path: [...path, name], value: limit })}`;
      const part = (key: string): string => this.#text({ path: [...path, name, key], value: limit[key] ?? '' });
      return `${name}=${part('soft')}:${part('hard')}`;
    });
  }

  #unknown(path: YamlPath, where: string, known: readonly string[]): Error {
    const name = String(path.at(-1));
    const nearest = nearestWord(name, known);
    const hint = nearest === undefined ? `There are: ${known.toSorted().join(', ')}.` : `Did you mean "${nearest}"?`;
    return this.#error(path, `${where} has no "${name}"`, hint);
  }

  #error(path: YamlPath, message: string, hint?: string): Error {
    return errorAt(this.#file, this.rangeOf(path), `${message}.`, hint);
  }
}

function keysOf(...tables: ReadonlyArray<Readonly<Record<string, unknown>>>): readonly string[] {
  return tables.flatMap((table) => Object.keys(table));
}

/** Objects key by key; all else is replaced. */
function mergeYaml(before: YamlMap, after: YamlMap): YamlMap {
  const merged = Object.entries(after).map(([key, value]) => {
    const old = before[key];
    return [key, isYamlMap(old) && isYamlMap(value) ? mergeYaml(old, value) : value] as const;
  });
  return { ...before, ...Object.fromEntries(merged) };
}
