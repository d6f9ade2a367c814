import type { CacheLocation, CacheMountsLocation, CacheMountsTarget, CacheTarget } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';
import { parseFields, parseSize, usage } from '../options/values.ts';

const COMPRESSIONS = ['gzip', 'zstd', 'none'] as const;

/** Attributes of buildx that describe what is always so here, by the value that they may have. */
const ALWAYS_SO: Readonly<Record<string, string>> = { 'oci-mediatypes': 'true', 'image-manifest': 'true' };

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

type Option = '--cache-from' | '--cache-to' | '--cache-mounts-from' | '--cache-mounts-to';

/**
 * Reads `--cache-from` in buildx's notation: `type=registry,ref=NAME`, `type=local,src=DIRECTORY[,tag=TAG]`,
 * `type=s3,bucket=…,region=…`, or a name alone.
 *
 * @throws BuildError `USAGE`; `UNSUPPORTED` for types and attributes that are not offered.
 */
export function parseCacheFrom(texts: readonly string[]): readonly CacheLocation[] {
  return texts.map((text) => {
    const attributes = readAttributes(text, '--cache-from', ['ref', 'src', 'tag', ...S3_ATTRIBUTES]);
    return toLocation(attributes, { option: '--cache-from', text, directory: 'src' });
  });
}

/**
 * Reads `--cache-to` in buildx's notation: `type=registry,ref=NAME` `type=local,dest=DIRECTORY[,tag=TAG]` or
 * `type=s3,bucket=…,region=…`, with `mode=min|max`,
 * `compression`, `compression-level` and `ignore-error`.
 *
 * @throws BuildError as `parseCacheFrom`.
 */
export function parseCacheTo(texts: readonly string[]): readonly CacheTarget[] {
  return texts.map((text) => {
    const common = ['mode', 'compression', 'compression-level', 'ignore-error'];
    const known = ['ref', 'dest', 'tag', ...common, ...S3_ATTRIBUTES];
    const attributes = readAttributes(text, '--cache-to', known);
    return {
      ...toLocation(attributes, { option: '--cache-to', text, directory: 'dest' }),
      mode: choose(attributes, 'mode', ['min', 'max']) ?? 'min',
      ...toWriting(attributes, text),
    };
  });
}

/** Reads `--cache-mounts-from`: as `--cache-from`, with `ids=A|B`. @throws BuildError as `parseCacheFrom`. */
export function parseCacheMountsFrom(texts: readonly string[]): readonly CacheMountsLocation[] {
  return texts.map((text) => {
    const attributes = readAttributes(text, '--cache-mounts-from', ['ref', 'src', 'tag', 'ids', ...S3_ATTRIBUTES]);
    return {
      ...toLocation(attributes, { option: '--cache-mounts-from', text, directory: 'src' }),
      ...toIds(attributes),
    };
  });
}

/**
 * Reads `--cache-mounts-to`: as `--cache-to` without `mode`, with `ids=A|B` and `max-size=SIZE`.
 *
 * @throws BuildError as `parseCacheFrom`.
 */
export function parseCacheMountsTo(texts: readonly string[]): readonly CacheMountsTarget[] {
  return texts.map((text) => {
    const common = ['ids', 'max-size', 'compression', 'compression-level', 'ignore-error'];
    const attributes = readAttributes(text, '--cache-mounts-to', ['ref', 'dest', 'tag', ...common, ...S3_ATTRIBUTES]);
    const maxSize = attributes.get('max-size');
    return {
      ...toLocation(attributes, { option: '--cache-mounts-to', text, directory: 'dest' }),
      ...toIds(attributes),
      ...(maxSize === undefined ? {} : { maxSizeBytes: parseSize(maxSize, '--cache-mounts-to max-size=') }),
      ...toWriting(attributes, text),
    };
  });
}

function toIds(attributes: ReadonlyMap<string, string>): Pick<CacheMountsLocation, 'ids'> {
  const ids = attributes.get('ids')?.split('|').filter(Boolean);
  if (ids?.length === 0) fail('ids= names no cache mount.', 'Write ids=ID, or ids=ID|ID for several.');
  return ids === undefined ? {} : { ids };
}

function toWriting(
  attributes: ReadonlyMap<string, string>,
  text: string,
): Pick<CacheTarget, 'ignoreError' | 'compression' | 'compressionLevel'> {
  const level = attributes.get('compression-level');
  const compression = choose(attributes, 'compression', COMPRESSIONS);
  return {
    ...(choose(attributes, 'ignore-error', ['true', 'false']) === 'true' ? { ignoreError: true } : {}),
    ...(compression === undefined ? {} : { compression }),
    ...(level === undefined ? {} : { compressionLevel: parseLevel(level, text) }),
  };
}

/** A text without `=` is the name of a cache in a registry. */
function readAttributes(text: string, option: Option, known: readonly string[]): ReadonlyMap<string, string> {
  if (!text.includes('='))
    return new Map([
      ['type', 'registry'],
      ['ref', text],
    ]);
  const attributes = new Map<string, string>();
  for (const { key, value } of parseFields(text, option)) {
    if (value === undefined) throw usage(`${option} takes key=value, not "${key}" (in "${text}").`);
    attributes.set(key, value);
  }
  for (const [key, value] of attributes) {
    if (key === 'type' || known.includes(key) || ALWAYS_SO[key] === value) continue;
    throw new BuildError('UNSUPPORTED', `The attribute ${key}=${value} of ${option} is not supported.`, {
      hint: `It has: type, ${known.join(', ')}.`,
    });
  }
  return attributes;
}

function toLocation(
  attributes: ReadonlyMap<string, string>,
  { option, text, directory }: { readonly option: Option; readonly text: string; readonly directory: string },
): CacheLocation {
  const required = (key: string): string =>
    attributes.get(key) || fail(`${option} "${text}" lacks ${key}=.`, `Write ${key}=….`);
  const type = attributes.get('type');
  const tag = attributes.get('tag');
  if (type === 'registry') return { kind: 'registry', reference: required('ref') };
  if (type === 'local') {
    return { kind: 'local', directory: required(directory), ...(tag === undefined ? {} : { tag }) };
  }
  if (type === 's3') return toS3(attributes, { bucket: required('bucket'), region: required('region') });
  throw new BuildError(
    'UNSUPPORTED',
    `${option} "${text}" ${type === undefined ? 'has no type' : `has an unknown type`}.`,
    {
      hint: 'The types are registry, local and s3.',
    },
  );
}

function toS3(
  attributes: ReadonlyMap<string, string>,
  required: { readonly bucket: string; readonly region: string },
): CacheLocation {
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
  const usePathStyle = choose(attributes, 'use_path_style', ['true', 'false']) === 'true';
  return { kind: 's3', ...required, ...Object.fromEntries(given), ...(usePathStyle ? { usePathStyle } : {}) };
}

function choose<T extends string>(
  attributes: ReadonlyMap<string, string>,
  key: string,
  choices: readonly T[],
): T | undefined {
  const value = attributes.get(key);
  if (value === undefined) return undefined;
  return choices.find((choice) => choice === value) ?? fail(`${key}=${value} is none of ${choices.join(', ')}.`);
}

function parseLevel(text: string, whole: string): number {
  return /^\d{1,2}$/.test(text) ? Number(text) : fail(`compression-level=${text} in "${whole}" is not a small number.`);
}

function fail(message: string, hint?: string): never {
  throw usage(message, hint);
}
