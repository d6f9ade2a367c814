import { join } from 'node:path';
import type { BuildRequest, CacheLocation } from '../../backends/index.ts';
import { formatReference, parseReference, toBuildError } from '../../core/index.ts';
import type { S3Cache, SharedCache, BuildRequest as WireRequest } from '../../rpc/index.ts';
import { fieldError } from './parse-fields.ts';
import { readCompression } from './read-compression.ts';

type Caches = Required<Pick<BuildRequest, 'cacheFrom' | 'cacheTo' | 'cacheMountsFrom' | 'cacheMountsTo'>>;

export interface ReadCachesDeps {
  /** Lays an uploaded tree out as a directory. */
  readonly openTree: (tree: string) => Promise<string>;
  /** Holds the caches that the build leaves for its client. */
  readonly cacheDirectory: string;
}

/** Where a build leaves the caches of a field for its client, by their positions. */
export function leftCache(cacheDirectory: string, { position, ofMounts }: LeftCache): string {
  return join(cacheDirectory, `${ofMounts ? 'mounts' : 'steps'}-${position}`);
}

/** One of the caches that a request wants written. */
export interface LeftCache {
  readonly position: number;
  /** Of `mounts_to` rather than `caches_to`. */
  readonly ofMounts: boolean;
}

/**
 * The shared caches of a request. No file, key or variable of this host is used for them.
 *
 * @throws BuildError `USAGE`, `CONTEXT_INVALID`
 */
export async function readCaches(deps: ReadCachesDeps, message: WireRequest): Promise<Caches> {
  const { cachesFrom = [], cachesTo = [], mountsFrom = [], mountsTo = [] } = message.extension ?? {};
  const cacheFrom = [...(await readSources(deps, cachesFrom, 'extension.caches_from'))];
  const cacheMountsFrom = await readSources(deps, mountsFrom, 'extension.mounts_from');
  // buildah leaves every step's layer there.
  const old = parseCaches(message.cacheTo, 'cache_to').map((location) => ({ ...location, mode: 'max' as const }));
  return {
    cacheFrom: [...cacheFrom, ...parseCaches(message.cacheFrom, 'cache_from')],
    cacheTo: [...cachesTo.map((cache, position) => readTarget(deps, { cache, position })), ...old],
    cacheMountsFrom,
    cacheMountsTo: mountsTo.map((cache, position) => readMountsTarget(deps, { cache, position })),
  };
}

/** Names of shared caches in registries, with commas between them. */
function parseCaches(
  text: string,
  field: string,
): ReadonlyArray<Extract<CacheLocation, { readonly kind: 'registry' }>> {
  const names = text.split(',').map((name) => name.trim());
  return names.filter((name) => name !== '').map((name) => readRegistry(name, field));
}

function readRegistry(name: string, field: string): Extract<CacheLocation, { readonly kind: 'registry' }> {
  try {
    return { kind: 'registry', reference: formatReference(parseReference(name)) };
  } catch (error) {
    throw fieldError(field, `takes names of repositories, not "${name}"`, toBuildError(error).hint);
  }
}

async function readSources(
  { openTree }: ReadCachesDeps,
  caches: readonly SharedCache[],
  field: string,
): Promise<ReadonlyArray<CacheLocation & { readonly ids?: readonly string[] }>> {
  const locations = [];
  for (const cache of caches) {
    const { place } = cache;
    const location: CacheLocation =
      place.case === 'local'
        ? { kind: 'local', directory: await openTree(place.value.tree), ...tagOf(place.value) }
        : readPlace(cache, field);
    locations.push({ ...location, ...idsOf(cache) });
  }
  return locations;
}

interface TargetInput {
  readonly cache: SharedCache;
  readonly position: number;
}

function readTarget(deps: ReadCachesDeps, { cache, position }: TargetInput): Caches['cacheTo'][number] {
  const field = 'extension.caches_to';
  const { mode: text, ignoreError } = cache;
  const mode = text === '' ? 'max' : text;
  if (mode !== 'max' && mode !== 'min') throw fieldError(field, `has the mode "${mode}"`, 'It is min or max.');
  const options = { mode, ignoreError, ...readCompression(cache, field) } as const;
  if (cache.place.case === 'inline') return { kind: 'inline', ...options };
  return { ...targetPlace(deps, cache, { field, position, ofMounts: false }), ...options };
}

function readMountsTarget(deps: ReadCachesDeps, { cache, position }: TargetInput): Caches['cacheMountsTo'][number] {
  const field = 'extension.mounts_to';
  return {
    ...targetPlace(deps, cache, { field, position, ofMounts: true }),
    ...idsOf(cache),
    ...readCompression(cache, field),
    ignoreError: cache.ignoreError,
    ...(cache.maxSize === 0n ? {} : { maxSizeBytes: Number(cache.maxSize) }),
  };
}

function targetPlace(
  { cacheDirectory }: ReadCachesDeps,
  cache: SharedCache,
  { field, ...left }: LeftCache & { readonly field: string },
): CacheLocation {
  const { place } = cache;
  if (place.case !== 'local') return readPlace(cache, field);
  if (place.value.tree !== '') throw fieldError(field, 'names a tree to be written', 'What is uploaded is only read.');
  return { kind: 'local', directory: leftCache(cacheDirectory, left), ...tagOf(place.value) };
}

function readPlace({ place }: SharedCache, field: string): Exclude<CacheLocation, { readonly kind: 'local' }> {
  switch (place.case) {
    case 'registry':
      return readRegistry(place.value, field);
    case 's3':
      return readS3(place.value, field);
    case 'gha': {
      const { scope, url, token } = place.value;
      if (url === '' || token === '') throw noKeys(field);
      return { kind: 'gha', url, token, ...given({ scope }) };
    }
    default:
      throw fieldError(field, 'has a cache of no kind that this daemon knows');
  }
}

/** Without keys of the client the variables of this host would count. */
function readS3({ $typeName: _, ...cache }: S3Cache, field: string): Extract<CacheLocation, { readonly kind: 's3' }> {
  const { bucket, region, accessKeyId, secretAccessKey, sessionToken, usePathStyle, name, prefix, endpointUrl } = cache;
  if (bucket === '' || region === '') throw fieldError(field, 'needs a bucket and a region');
  if (accessKeyId === '' || secretAccessKey === '') throw noKeys(field);
  if (endpointUrl !== '' && !URL.canParse(endpointUrl)) throw fieldError(field, `has the endpoint "${endpointUrl}"`);
  return {
    kind: 's3',
    ...{ bucket, region, accessKeyId, secretAccessKey, sessionToken, usePathStyle },
    ...given({ name, prefix, endpointUrl }),
  };
}

function noKeys(field: string) {
  return fieldError(field, 'needs keys of its own', "The daemon's own are never used for a client.");
}

function given<T extends Readonly<Record<string, string>>>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, text]) => text !== '')) as Partial<T>;
}

function tagOf({ tag }: { readonly tag: string }): { readonly tag?: string } {
  return tag === '' ? {} : { tag };
}

function idsOf({ ids }: SharedCache): { readonly ids?: readonly string[] } {
  return ids.length === 0 ? {} : { ids };
}
