import type { CacheLocation, CacheMountsLocation, CacheMountsTarget, CacheTarget } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';
import { parseFields, parseSize, usage } from '../options/values.ts';

const COMPRESSIONS = ['gzip', 'zstd', 'none'] as const;

/** Where a cache lies in a bucket, in buildx's names. */
const S3_ATTRIBUTES = [
  'bucket',
  'region',
  'name',
  'prefix',
  'endpoint_url',
  'use_path_style',
  'access_key_id',
  'secret_access_key',
  'session_token',
];

/** The cache service of GitHub Actions, in buildx's names. */
const GHA_ATTRIBUTES = ['scope', 'url', 'url_v2', 'token'];

type Option = '--cache-from' | '--cache-to' | '--cache-mounts-from' | '--cache-mounts-to';

/** How the blobs of a cache are written, whatever its type. */
const WRITING = ['compression', 'compression-level', 'force-compression', 'ignore-error'];

/** Attributes of buildx that describe what is always so here, by type, with the value that they may have and why. */
const ALWAYS_SO: Readonly<
  Record<string, { readonly value: 'true' | '2'; readonly types: string; readonly why: string }>
> = {
  'oci-mediatypes': { value: 'true', types: 'registry local', why: "Docker's types have none for a cache." },
  'image-manifest': {
    value: 'true',
    types: 'registry local',
    why: 'Caches are image manifests, which every registry takes.',
  },
  version: { value: '2', types: 'gha', why: 'GitHub has switched version 1 of its cache service off.' },
};

/**
 * Reads `--cache-from` in buildx's notation: `type=registry,ref=NAME`, `type=local,src=DIRECTORY[,tag=TAG]`,
 * `type=s3,bucket=…,region=…`, `type=gha[,scope=NAME]`, or a name alone.
 *
 * @throws BuildError `USAGE`; `UNSUPPORTED` for types and attributes that are not offered.
 */
export function parseCacheFrom(texts: readonly string[]): readonly CacheLocation[] {
  return texts.map((text) => toLocation(readAttributes(text, '--cache-from', [])));
}

/**
 * Reads `--cache-to` in buildx's notation: as `--cache-from`, with `dest=` for `src=`, and `type=inline`; with
 * `mode=min|max`, `compression`, `compression-level`, `force-compression` and `ignore-error`.
 *
 * @throws BuildError as `parseCacheFrom`.
 */
export function parseCacheTo(texts: readonly string[]): readonly CacheTarget[] {
  return texts.map((text) => {
    const cache = readAttributes(text, '--cache-to', ['mode', ...WRITING]);
    const mode = choose(cache.attributes, 'mode', ['min', 'max']) ?? 'min';
    if (cache.type !== 'inline') return { ...toLocation(cache), mode, ...toWriting(cache.attributes, text) };
    if (mode === 'min') return { kind: 'inline', mode };
    return fail(
      'mode=max is nothing for type=inline: an image carries the steps of its own layers alone.',
      'Use type=registry.',
    );
  });
}

/** Reads `--cache-mounts-from`: as `--cache-from`, with `ids=A|B`, and a default name of its own. @throws BuildError as `parseCacheFrom`. */
export function parseCacheMountsFrom(texts: readonly string[]): readonly CacheMountsLocation[] {
  return texts.map((text) => {
    const cache = readAttributes(text, '--cache-mounts-from', ['ids']);
    return { ...toMountsLocation(cache), ...toIds(cache.attributes) };
  });
}

/**
 * Reads `--cache-mounts-to`: as `--cache-to` without `mode`, with `ids=A|B` and `max-size=SIZE`.
 *
 * @throws BuildError as `parseCacheFrom`.
 */
export function parseCacheMountsTo(texts: readonly string[]): readonly CacheMountsTarget[] {
  return texts.map((text) => {
    const cache = readAttributes(text, '--cache-mounts-to', ['ids', 'max-size', ...WRITING]);
    const maxSize = cache.attributes.get('max-size');
    return {
      ...toMountsLocation(cache),
      ...toIds(cache.attributes),
      ...(maxSize === undefined ? {} : { maxSizeBytes: parseSize(maxSize, '--cache-mounts-to max-size=') }),
      ...toWriting(cache.attributes, text),
    };
  });
}

/** What a place calls cache mounts that have no name: those of caches of steps, which may lie beside them, have another. */
const MOUNTS_NAME = 'cache-mounts';

function toMountsLocation(cache: Parameters<typeof toLocation>[0]): CacheLocation {
  const location = toLocation(cache);
  switch (location.kind) {
    case 'registry':
      return location;
    case 'local':
      return { tag: MOUNTS_NAME, ...location };
    case 's3':
      return { name: MOUNTS_NAME, ...location };
    case 'gha':
      return { scope: MOUNTS_NAME, ...location };
  }
}

function toIds(attributes: Attributes): Pick<CacheMountsLocation, 'ids'> {
  const ids = attributes.get('ids')?.split('|').filter(Boolean);
  if (ids?.length === 0) fail('ids= names no cache mount.', 'Write ids=ID, or ids=ID|ID for several.');
  return ids === undefined ? {} : { ids };
}

function toWriting(
  attributes: Attributes,
  text: string,
): Pick<CacheTarget, 'ignoreError' | 'compression' | 'compressionLevel' | 'forceCompression'> {
  const compression = choose(attributes, 'compression', COMPRESSIONS);
  const level = attributes.get('compression-level');
  return {
    ...(isTrue(attributes, 'ignore-error') ? { ignoreError: true } : {}),
    ...(compression === undefined ? {} : { compression }),
    ...(level === undefined ? {} : { compressionLevel: parseLevel(level, { whole: text, compression }) }),
    ...(isTrue(attributes, 'force-compression') ? { forceCompression: true } : {}),
  };
}

type Attributes = ReadonlyMap<string, string>;

/** A cache as it was written down: what its type knows, and nothing else. */
interface WrittenCache {
  readonly type: string;
  readonly attributes: Attributes;
  readonly option: Option;
  readonly text: string;
}

/** A text without `=` is the name of a cache in a registry. `more` are the attributes that every type has there. */
function readAttributes(text: string, option: Option, more: readonly string[]): WrittenCache {
  const attributes = new Map<string, string>();
  for (const { key, value } of text.includes('=')
    ? parseFields(text, option)
    : parseFields(`type=registry,ref=${text}`, option)) {
    if (value === undefined) throw usage(`${option} takes key=value, not "${key}" (in "${text}").`);
    attributes.set(key, value);
  }
  const type = attributes.get('type') ?? '';
  const places = placesOf(option);
  const own = places[type];
  if (own === undefined) {
    const what = attributes.has('type') ? `the unknown type "${type}"` : 'no type';
    throw new BuildError('UNSUPPORTED', `${option} "${text}" has ${what}.`, {
      hint: `The types are ${Object.keys(places).join(', ')}.`,
    });
  }
  const known = type === 'inline' ? ['mode'] : [...own, ...more];
  for (const [key, value] of attributes) {
    if (key !== 'type' && !known.includes(key)) requireAlwaysSo({ type, option }, { key, value, known });
  }
  return { type, attributes, option, text };
}

/** The attributes that say where a cache lies, by type. */
function placesOf(option: Option): Readonly<Record<string, readonly string[]>> {
  return {
    registry: ['ref'],
    local: [option.endsWith('-to') ? 'dest' : 'src', 'tag'],
    s3: S3_ATTRIBUTES,
    gha: GHA_ATTRIBUTES,
    ...(option === '--cache-to' ? { inline: [] } : {}),
  };
}

function requireAlwaysSo(
  { type, option }: Pick<WrittenCache, 'type' | 'option'>,
  { key, value, known }: { readonly key: string; readonly value: string; readonly known: readonly string[] },
): void {
  const always = ALWAYS_SO[key];
  const isOfType = always?.types.split(' ').includes(type) === true;
  if (isOfType && (value === always.value || (always.value === 'true' && value === '1'))) return;
  throw new BuildError('UNSUPPORTED', `The attribute ${key}=${value} of ${option} type=${type} is not supported.`, {
    hint: isOfType ? always.why : `It has: type, ${known.join(', ')}.`,
  });
}

function toLocation({ type, attributes, option, text }: WrittenCache): CacheLocation {
  const required = (key: string): string =>
    attributes.get(key) || fail(`${option} "${text}" lacks ${key}=.`, `Write ${key}=….`);
  const tag = attributes.get('tag');
  if (type === 'registry') return { kind: 'registry', reference: required('ref') };
  if (type === 's3') return toS3(attributes, { bucket: required('bucket'), region: required('region') });
  if (type === 'gha') return toGha(attributes);
  const directory = required(option.endsWith('-to') ? 'dest' : 'src');
  return { kind: 'local', directory, ...(tag === undefined ? {} : { tag }) };
}

function toGha(attributes: Attributes): CacheLocation {
  const given = { scope: attributes.get('scope'), token: attributes.get('token') };
  const url = attributes.get('url_v2') ?? attributes.get('url');
  const set = Object.entries({ ...given, url }).filter(([, value]) => value !== undefined && value !== '');
  return { kind: 'gha', ...Object.fromEntries(set) };
}

function toS3(attributes: Attributes, required: { readonly bucket: string; readonly region: string }): CacheLocation {
  const names = {
    name: 'name',
    prefix: 'prefix',
    endpointUrl: 'endpoint_url',
    accessKeyId: 'access_key_id',
    secretAccessKey: 'secret_access_key',
    sessionToken: 'session_token',
  };
  const given = Object.entries(names).flatMap(([name, key]) => {
    const value = attributes.get(key);
    return value === undefined ? [] : [[name, value] as const];
  });
  const usePathStyle = isTrue(attributes, 'use_path_style');
  return { kind: 's3', ...required, ...Object.fromEntries(given), ...(usePathStyle ? { usePathStyle } : {}) };
}

function choose<T extends string>(attributes: Attributes, key: string, choices: readonly T[]): T | undefined {
  const value = attributes.get(key);
  if (value === undefined) return undefined;
  return choices.find((choice) => choice === value) ?? fail(`${key}=${value} is none of ${choices.join(', ')}.`);
}

function isTrue(attributes: Attributes, key: string): boolean {
  const value = choose(attributes, key, ['true', '1', 'false', '0']);
  return value === 'true' || value === '1';
}

const LEVELS = { gzip: 9, zstd: 19, none: 0 } as const;

function parseLevel(
  text: string,
  { whole, compression = 'gzip' }: { readonly whole: string; readonly compression: CacheTarget['compression'] },
): number {
  const level = Number(text);
  if (/^\d{1,2}$/.test(text) && level >= 1 && level <= LEVELS[compression]) return level;
  const range = compression === 'none' ? 'none has no levels' : `${compression} has 1 to ${LEVELS[compression]}`;
  return fail(`compression-level=${text} in "${whole}" is no level: ${range}.`);
}

function fail(message: string, hint?: string): never {
  throw usage(message, hint);
}
