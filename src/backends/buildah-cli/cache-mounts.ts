import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, digestHex, digestOfFields, type RunContext } from '../../core/index.ts';
import type { ExecMount, Vertex } from '../../graph/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import { callBuildah } from './call-buildah.ts';
import { type MountDelivery, mountKey } from './deliveries.ts';
import { type Buildah, runBuildah } from './run-buildah.ts';

type CacheMount = Extract<ExecMount, { readonly kind: 'cache' }>;

export interface CacheDeps {
  readonly buildah: Buildah;
  readonly store: Store;
  readonly lease: Lease;
  readonly uid: number;
}

/** What buildah is told of a cache mount. */
export interface CacheFacts {
  readonly id: string;
  readonly sharing: 'shared' | 'locked';
  /** The directory of the cache. */
  readonly path: string;
}

/** The caches of some steps. */
export interface OpenCaches {
  /** By `mountKey`. */
  readonly byMount: ReadonlyMap<string, CacheFacts>;
  /** Gives private caches free. */
  release(): Promise<void>;
}

export interface CachesInput {
  readonly steps: readonly Vertex[];
  /** The directory that a new cache begins with, where the mount names one. */
  readonly seedOf: (vertex: Vertex, mount: CacheMount) => Promise<MountDelivery | undefined>;
}

/** More users of one private cache at once than any host has builds. */
const MOST_INSTANCES = 1000;

/**
 * Makes the cache directories of steps, with seed, owner and mode, in our store, so that `prune`
 * knows them; `runStage` tells buildah where they are. `locked` caches are locked by buildah for each step; a `private` one is ours from here to `release`, and whoever
 * asks for it meanwhile gets another.
 */
export async function openCaches(deps: CacheDeps, input: CachesInput, context: RunContext): Promise<OpenCaches> {
  const byMount = new Map<string, CacheFacts>();
  const held: string[] = [];
  const release = async (): Promise<void> => {
    for (const path of held) await rm(path, { force: true });
  };
  const instances = new Map<string, number>();
  try {
    for (const vertex of input.steps) {
      if (vertex.op.kind !== 'exec') continue;
      for (const [index, mount] of vertex.op.mounts.entries()) {
        if (mount.kind !== 'cache') continue;
        const isPrivate = mount.sharing === 'private';
        const instance = isPrivate ? (instances.get(mount.id) ?? (await claim(deps, mount, held))) : 0;
        if (isPrivate) instances.set(mount.id, instance);
        const seedOf = (): Promise<MountDelivery | undefined> => input.seedOf(vertex, mount);
        const id = await provideCache(deps, { mount, instance, seedOf }, context);
        const sharing = mount.sharing === 'locked' ? 'locked' : 'shared';
        const path = deps.store.area('cache-mounts').path(id);
        byMount.set(mountKey(vertex.id, index), { id, sharing, path });
      }
    }
    return { byMount, release };
  } catch (error) {
    await release();
    throw error;
  }
}

function keyOf(mount: CacheMount, instance: number): string {
  const fields = [['id', mount.id] as const, ['instance', String(instance)] as const];
  return `buildah-${digestHex(digestOfFields(fields)).slice(0, 40)}`;
}

/** Takes the first instance that no living process has. */
async function claim({ store }: CacheDeps, mount: CacheMount, held: string[]): Promise<number> {
  const directory = join(store.root, 'buildah', 'private-caches');
  await mkdir(directory, { recursive: true });
  for (let instance = 1; instance < MOST_INSTANCES; instance += 1) {
    const path = join(directory, keyOf(mount, instance));
    if (!(await claimFile(path))) continue;
    held.push(path);
    return instance;
  }
  throw new BuildError('STORE_LOCKED', `Every instance of the private cache ${mount.id} is in use.`);
}

async function claimFile(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    const holder = Number(await readFile(path, 'utf8').catch(() => ''));
    if (holder === 0 || isAlive(holder)) return false;
    // Its builder was killed. Whoever takes it away first may have it.
    await rm(path, { force: true });
    return writeFile(path, String(process.pid), { flag: 'wx' }).then(
      () => true,
      () => false,
    );
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

interface WantedCache {
  readonly mount: CacheMount;
  readonly instance: number;
  readonly seedOf: () => Promise<MountDelivery | undefined>;
}

async function provideCache(deps: CacheDeps, wanted: WantedCache, context: RunContext): Promise<string> {
  const { buildah, store, lease, uid } = deps;
  const { mount, instance } = wanted;
  const key = keyOf(mount, instance);
  if (await lease.pinEntry('cache-mounts', key)) return key;
  const seed = await wanted.seedOf();
  await store.area('cache-mounts').create(key, async (path) => {
    await mkdir(path, { recursive: true });
    if (seed !== undefined) await copySeed(deps, { seed, path }, context);
    if (mount.uid !== 0 || mount.gid !== 0) {
      if (uid === 0) await chown(path, mount.uid, mount.gid);
      else await chownMapped(buildah, { path, owner: `${mount.uid}:${mount.gid}` }, context);
    }
    if (uid === 0 || (mount.uid === 0 && mount.gid === 0)) await chmod(path, mount.mode);
    else await chmodMapped(buildah, { path, mode: mount.mode.toString(8) }, context);
  });
  await lease.pinEntry('cache-mounts', key);
  return key;
}

/** The image holds nothing but plain directories above the seed: no link leads out of it. */
const COPY_SEED = 'container=$1 from=$2 to=$3; shift 3; m=$("$@" mount "$container") && cp -a "$m$from/." "$to/"';

async function copySeed(
  { buildah, uid }: CacheDeps,
  { seed, path }: { readonly seed: MountDelivery; readonly path: string },
  context: RunContext,
): Promise<void> {
  const subject = { action: 'put the first files into a cache' };
  const container = (
    await callBuildah(buildah, { args: ['from', '--pull-never', seed.image], subject }, context)
  ).trim();
  try {
    const script = ['sh', '-c', COPY_SEED, 'sh', container, seed.path, path];
    const wrapper = uid === 0 ? script : [buildah.path, ...buildah.globalArgs, 'unshare', '--', ...script];
    await callBuildah(buildah, { args: [], wrapper, subject }, context);
  } finally {
    await runBuildah(buildah, { args: ['rm', container] }, { ...context, signal: new AbortController().signal });
  }
}

/** As an ordinary user, ids of the image are those of buildah's user namespace. */
async function chownMapped(
  buildah: Buildah,
  { path, owner }: { readonly path: string; readonly owner: string },
  context: RunContext,
): Promise<void> {
  const subject = { action: `give a cache to ${owner}` };
  await callBuildah(buildah, { args: ['unshare', 'chown', owner, path], subject }, context);
}

async function chmodMapped(
  buildah: Buildah,
  { path, mode }: { readonly path: string; readonly mode: string },
  context: RunContext,
): Promise<void> {
  const subject = { action: 'set the mode of a cache' };
  await callBuildah(buildah, { args: ['unshare', 'chmod', mode, path], subject }, context);
}
