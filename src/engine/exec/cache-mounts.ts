import { chmodSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LayerItem } from '../../archive/index.ts';
import type { MountTravel, OpenMount, UsedMount } from '../../cache/index.ts';
import { digestHex, digestOfFields, type RunContext } from '../../core/index.ts';
import type { ExecMount } from '../../graph/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import { acquireFileLock, type FileLock, type FileLockOptions } from './file-lock.ts';
import { removeTree, runFileWork } from './file-work.ts';
import { openMountFiles } from './mount-files.ts';
import type { WorkingKind } from './namespace.ts';

export type CacheMount = Extract<ExecMount, { readonly kind: 'cache' }>;

/** What caches are kept with. */
export interface CacheDeps {
  readonly store: Store;
  readonly lease: Lease;
  readonly kind: WorkingKind;
  /** Brings what other builders left of a cache, and is told of those that are used. */
  readonly travel?: MountTravel | undefined;
  /** Writes the first content of a new cache. */
  readonly unpack: (items: Iterable<LayerItem>, directory: string) => Promise<void>;
}

/** A cache mount with the items that seed it when it is new. */
export interface WantedCache {
  readonly mount: CacheMount;
  readonly seed: () => Promise<Iterable<LayerItem> | undefined>;
}

/** Cache directories that are locked for one step. */
export interface OpenCaches {
  /** In the order of the wanted mounts. */
  readonly directories: readonly string[];
  release(): Promise<void>;
}

/**
 * Opens the cache directories of a step, making new ones. A cache is known by its id alone, in every build of the store.
 * `shared` users come together, `locked` waits until nobody else has it, `private` takes one that nobody uses, making
 * further ones as needed. Owner, mode and seed count when a cache is made and nobody else left one.
 *
 * @throws BuildError `CANCELLED` while waiting for another step.
 */
export async function openCaches(
  deps: CacheDeps,
  wanted: readonly WantedCache[],
  context: RunContext,
): Promise<OpenCaches> {
  const held = new Map<string, { readonly directory: string; readonly lock: FileLock }>();
  const release = async (): Promise<void> => {
    await Promise.all([...held.values()].map(({ lock }) => lock.release()));
  };
  try {
    // In one order everywhere, so that two steps never wait for each other.
    for (const { id, caches } of byId(wanted)) held.set(id, await openCache(deps, caches, context));
  } catch (error) {
    await release();
    throw error;
  }
  return { directories: wanted.map(({ mount }) => held.get(mount.id)?.directory ?? ''), release };
}

/** Mounts of one id in one step share the directory, under the strictest sharing that one of them asks for. */
function byId(
  wanted: readonly WantedCache[],
): ReadonlyArray<{ readonly id: string; readonly caches: readonly WantedCache[] }> {
  const ids = [...new Set(wanted.map(({ mount }) => mount.id))].sort();
  return ids.map((id) => ({ id, caches: wanted.filter(({ mount }) => mount.id === id) }));
}

async function openCache(
  deps: CacheDeps,
  caches: readonly WantedCache[],
  context: RunContext,
): Promise<{ readonly directory: string; readonly lock: FileLock }> {
  const modes = new Set(caches.map(({ mount }) => mount.sharing));
  const mode = modes.has('locked') || modes.has('private') ? 'exclusive' : 'shared';
  const wait = modes.has('locked') || !modes.has('private');
  const cache = caches[0] as WantedCache;
  for (let instance = 0; ; instance += 1) {
    const home = await provideCache(deps, { cache, instance }, context);
    const lock = await acquireFileLock({ path: join(home, 'lock'), mode, wait }, context.signal);
    if (lock === undefined) continue;
    deps.travel?.use(usedMount(deps.kind, { id: cache.mount.id, instance, home, mode }));
    return { directory: join(home, 'files'), lock };
  }
}

interface CacheHome {
  readonly id: string;
  readonly home: string;
}

function openMount(kind: WorkingKind, { id, home }: CacheHome, directory = join(home, 'files')): OpenMount {
  return { id, files: openMountFiles({ kind, directory }), stampsPath: join(home, 'stamps') };
}

function usedMount(
  kind: WorkingKind,
  used: CacheHome & { readonly instance: number; readonly mode: FileLockOptions['mode'] },
): UsedMount {
  const { id, instance, home, mode } = used;
  return {
    id,
    instance,
    hold: async (signal) => {
      const path = join(home, 'lock');
      const alone = await acquireFileLock({ path, mode: 'exclusive', wait: false }, signal);
      const lock = alone ?? ((await acquireFileLock({ path, mode, wait: true }, signal)) as FileLock);
      const isAlone = alone !== undefined || mode === 'exclusive';
      return { ...openMount(kind, used), isAlone, release: () => lock.release() };
    },
  };
}

/**
 * Fills a cache that is there and empty. It is made aside and takes the place of the empty directory in one step, while
 * nobody else uses it: whoever uses it is about to fill it.
 */
async function refill(
  { kind, travel }: Pick<CacheDeps, 'kind' | 'travel'>,
  cache: CacheHome,
  context: RunContext,
): Promise<void> {
  const files = join(cache.home, 'files');
  if (travel === undefined || !isEmpty(files)) return;
  const lock = await acquireFileLock(
    { path: join(cache.home, 'lock'), mode: 'exclusive', wait: false },
    context.signal,
  );
  if (lock === undefined) return;
  const fresh = join(cache.home, 'incoming');
  try {
    await removeTree(fresh, context.signal);
    if (!isEmpty(files)) return;
    mkdirSync(fresh);
    if (await travel.fill(openMount(kind, cache, fresh), context)) renameSync(fresh, files);
  } finally {
    await removeTree(fresh);
    await lock.release();
  }
}

function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch {
    // It belongs to a user of steps alone: somebody made something of it.
    return false;
  }
}

async function provideCache(
  { store, lease, kind, travel, unpack }: CacheDeps,
  { cache, instance }: { readonly cache: WantedCache; readonly instance: number },
  context: RunContext,
): Promise<string> {
  const area = store.area('cache-mounts');
  const key = digestHex(
    digestOfFields([
      ['id', cache.mount.id],
      ['instance', String(instance)],
    ]),
  );
  if (await lease.pinEntry('cache-mounts', key)) {
    await refill({ kind, travel }, { id: cache.mount.id, home: area.path(key) }, context);
    return area.path(key);
  }
  const { uid, gid, mode } = cache.mount;
  const home = await area.create(key, async (path) => {
    const files = join(path, 'files');
    mkdirSync(files, { recursive: true });
    writeFileSync(join(path, 'lock'), '');
    if (await travel?.fill(openMount(kind, { id: cache.mount.id, home: path }), context)) return;
    const items = await cache.seed();
    if (items !== undefined) await unpack(items, files);
    chmodSync(files, mode);
    if (uid !== 0 || gid !== 0) await runFileWork(kind, ['chown', `${uid}:${gid}`, files], { signal: context.signal });
  });
  await lease.pinEntry('cache-mounts', key);
  return home;
}
