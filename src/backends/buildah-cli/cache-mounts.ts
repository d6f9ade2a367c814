import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BuildError, digestHex, digestOfFields, type RunContext } from '../../core/index.ts';
import type { ExecMount, Graph } from '../../graph/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import { callBuildah } from './call-buildah.ts';
import { mountKey } from './deliveries.ts';
import type { Buildah } from './run-buildah.ts';

type CacheMount = Extract<ExecMount, { readonly kind: 'cache' }>;

export interface CacheDeps {
  readonly buildah: Buildah;
  readonly store: Store;
  readonly lease: Lease;
  readonly uid: number;
}

/** The caches of a build. */
export interface BuildCaches {
  /** By `mountKey`. */
  readonly byMount: ReadonlyMap<string, { readonly id: string; readonly sharing: 'shared' | 'locked' }>;
  /** The directory that holds them all; buildah looks for `<TMPDIR>/buildah-cache/<id>`. */
  readonly directory: string;
  /** Gives private caches free. */
  release(): Promise<void>;
}

/** More users of one private cache at once than any host has builds. */
const MOST_INSTANCES = 1000;

/**
 * Makes the cache directories of a build, with owner and mode, where buildah finds them: in our store, so that `prune` knows
 * them. `locked` caches are locked by buildah for each step; a `private` one is ours from here to `release`, and another
 * build at the same time gets another.
 */
export async function openCaches(deps: CacheDeps, graph: Graph, context: RunContext): Promise<BuildCaches> {
  const byMount = new Map<string, { readonly id: string; readonly sharing: 'shared' | 'locked' }>();
  const held: string[] = [];
  const release = async (): Promise<void> => {
    for (const path of held) await rm(path, { force: true });
  };
  const instances = new Map<string, number>();
  try {
    for (const { id: vertex, op } of graph.vertices) {
      if (op.kind !== 'exec') continue;
      for (const [index, mount] of op.mounts.entries()) {
        if (mount.kind !== 'cache') continue;
        const instance =
          mount.sharing === 'private' ? (instances.get(mount.id) ?? (await claim(deps, mount, held))) : 0;
        instances.set(mount.id, instance);
        const id = await provideCache(deps, { mount, instance }, context);
        byMount.set(mountKey(vertex, index), { id, sharing: mount.sharing === 'locked' ? 'locked' : 'shared' });
      }
    }
    return { byMount, directory: dirname(deps.store.area('cache-mounts').path('any')), release };
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

async function provideCache(
  { buildah, store, lease, uid }: CacheDeps,
  { mount, instance }: { readonly mount: CacheMount; readonly instance: number },
  context: RunContext,
): Promise<string> {
  const key = keyOf(mount, instance);
  if (await lease.pinEntry('cache-mounts', key)) return key;
  await store.area('cache-mounts').create(key, async (path) => {
    await mkdir(path, { recursive: true });
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
