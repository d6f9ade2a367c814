import type { CacheLocation, CacheMountsTarget, CacheTarget } from '../../cache/index.ts';
import { BuildError, isBuildError, type RunContext } from '../../core/index.ts';
import type { MessageInput, SharedCacheSchema } from '../../rpc/index.ts';
import { type Env, variableOf } from '../selection/host-facts.ts';
import type { BuildRequest } from '../types.ts';
import { listLayout } from './list-layout.ts';
import type { ListedTree } from './list-tree.ts';

type WireCache = MessageInput<typeof SharedCacheSchema>;
type Target = CacheTarget | CacheMountsTarget;
type LocalCache = Extract<CacheLocation, { readonly kind: 'local' }>;

/** Shared caches in the words of the protocol. */
export interface SentCaches {
  readonly cachesFrom: WireCache[];
  readonly cachesTo: WireCache[];
  readonly mountsFrom: WireCache[];
  readonly mountsTo: WireCache[];
}

export interface SendCachesDeps {
  readonly env: Env;
  /** Uploads a tree and gives its name. */
  readonly send: (tree: ListedTree, name: string) => Promise<string>;
}

/** The tag of a layout's cache that names none. */
const DEFAULT_TAG = 'latest';

/**
 * Readies the shared caches of a request: those that are layouts of this host are uploaded, and what is kept elsewhere is
 * named, with this host's keys where it needs some.
 *
 * @throws BuildError `CREDENTIALS_INVALID` where S3 is to be used without keys; what uploading throws.
 */
export async function sendCaches(
  deps: SendCachesDeps,
  request: BuildRequest,
  context: RunContext,
): Promise<SentCaches> {
  const { cacheFrom = [], cacheTo = [], cacheMountsFrom = [], cacheMountsTo = [] } = request;
  const sources = async (locations: ReadonlyArray<CacheLocation & { readonly ids?: readonly string[] }>) => {
    const sent = [];
    for (const location of locations) sent.push(await sendSource(deps, location, context));
    return sent.filter((cache) => cache !== undefined);
  };
  const targets = (all: readonly Target[]) => all.map((target) => toTarget(deps.env, target));
  // Keys that are missing are told of before anything is sent.
  const [cachesTo, mountsTo] = [targets(cacheTo), targets(cacheMountsTo)];
  return {
    cachesFrom: await sources(cacheFrom),
    cachesTo,
    mountsFrom: await sources(cacheMountsFrom),
    mountsTo,
  };
}

/** Undefined for one that is not there, which is a warning: a build goes on without. */
async function sendSource(
  { env, send }: SendCachesDeps,
  location: CacheLocation & { readonly ids?: readonly string[] },
  context: RunContext,
): Promise<WireCache | undefined> {
  const ids = [...(location.ids ?? [])];
  if (location.kind !== 'local') return { ...toPlace(env, location), ids };
  const { directory, tag = DEFAULT_TAG } = location;
  const name = nameOf(location);
  let listed: ListedTree;
  try {
    listed = await listLayout({ path: directory, tag, digest: undefined });
  } catch (error) {
    const why = isBuildError(error, 'IMAGE_NOT_FOUND') ? 'there is none yet' : (error as Error).message;
    const message = `The cache ${name} is not used: ${why.replace(/\.$/, '')}.`;
    context.emit({ kind: 'warning', time: Date.now(), code: 'CacheNotImported', message });
    return undefined;
  }
  const tree = await send(listed, `cache ${name}`);
  return { place: { case: 'local', value: { tree, tag } }, ids };
}

/** How messages call a cache in a layout. */
export function nameOf({ directory, tag = DEFAULT_TAG }: LocalCache): string {
  return tag === DEFAULT_TAG ? directory : `${directory}:${tag}`;
}

function toTarget(env: Env, target: Target): WireCache {
  return {
    ...targetPlace(env, target),
    mode: 'mode' in target ? target.mode : '',
    ignoreError: target.ignoreError ?? false,
    compression: target.compression ?? '',
    compressionLevel: target.compressionLevel ?? 0,
    forceCompression: 'forceCompression' in target && target.forceCompression === true,
    ids: 'ids' in target ? [...(target.ids ?? [])] : [],
    maxSize: 'maxSizeBytes' in target ? BigInt(target.maxSizeBytes ?? 0) : 0n,
  };
}

function targetPlace(env: Env, target: Target): WireCache {
  if (target.kind === 'inline') return { place: { case: 'inline', value: {} } };
  if (target.kind !== 'local') return toPlace(env, target);
  return { place: { case: 'local', value: { tag: target.tag ?? DEFAULT_TAG } } };
}

/** With this host's keys: the daemon uses none of its own. */
function toPlace(env: Env, location: Exclude<CacheLocation, { readonly kind: 'local' }>): WireCache {
  switch (location.kind) {
    case 'registry':
      return { place: { case: 'registry', value: location.reference } };
    case 's3': {
      const { kind: _, ...place } = location;
      const {
        accessKeyId = variableOf(env, 'AWS_ACCESS_KEY_ID'),
        secretAccessKey = variableOf(env, 'AWS_SECRET_ACCESS_KEY'),
        sessionToken = variableOf(env, 'AWS_SESSION_TOKEN') ?? '',
      } = place;
      if (!accessKeyId || !secretAccessKey) {
        throw noKeys(`the bucket ${place.bucket}`, 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.');
      }
      return { place: { case: 's3', value: { ...place, accessKeyId, secretAccessKey, sessionToken } } };
    }
    case 'gha': {
      const {
        scope = '',
        url = variableOf(env, 'ACTIONS_RESULTS_URL'),
        token = variableOf(env, 'ACTIONS_RUNTIME_TOKEN'),
      } = location;
      if (!url || !token) {
        throw noKeys(
          'the cache type=gha',
          'It needs ACTIONS_RESULTS_URL and ACTIONS_RUNTIME_TOKEN of a job of GitHub Actions.',
        );
      }
      return { place: { case: 'gha', value: { scope, url, token } } };
    }
  }
}

function noKeys(place: string, hint: string): BuildError {
  return new BuildError('CREDENTIALS_INVALID', `There is no sign-in for ${place}.`, { hint });
}

/** The images in registries that caches of a request are, for which sign-ins are needed. */
export function cacheReferences(request: BuildRequest): readonly string[] {
  const { cacheFrom = [], cacheTo = [], cacheMountsFrom = [], cacheMountsTo = [] } = request;
  const all = [...cacheFrom, ...cacheTo, ...cacheMountsFrom, ...cacheMountsTo];
  return all.flatMap((location) => (location.kind === 'registry' ? [location.reference] : []));
}
