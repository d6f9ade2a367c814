import { isBuildError, type RunContext, withoutTransfers } from '../../core/index.ts';
import type { CacheStorage } from '../types.ts';
import { importMount } from './import-mount.ts';
import { fetchMounts, type StoredMounts } from './open-mounts.ts';
import type { CacheMountsLocation, MountTravel, OpenMount, UsedMount } from './types.ts';

/** How the cache mounts of one build travel. */
export interface BuildMounts extends MountTravel {
  /** Those that steps of the build used, by id. */
  used(): readonly UsedMount[];
}

/** A place that mounts are taken from. */
export interface MountsSource {
  readonly location: CacheMountsLocation;
  /** Of the location. */
  readonly storage: CacheStorage;
}

/**
 * Fills the cache mounts of a build from the first place that has them, and notes which are used. A place is asked when the
 * first mount needs it, once; one that is missing or broken is a warning.
 */
export function createMountTravel(locations: readonly MountsSource[]): BuildMounts {
  const sources = locations.map(createSource);
  const used = new Map<string, UsedMount>();
  return {
    fill: async (mount, context) => {
      for (const source of sources) if (await source(mount, context)) return true;
      return false;
    },
    use: (mount) => {
      const known = used.get(mount.id);
      if (known === undefined || known.instance > mount.instance) used.set(mount.id, mount);
    },
    used: () => [...used.values()].toSorted((one, two) => (one.id < two.id ? -1 : 1)),
  };
}

function createSource({ location, storage }: MountsSource): MountTravel['fill'] {
  let reading: Promise<StoredMounts | undefined> | undefined;
  const broken = new Set<string>();
  return async (mount, context) => {
    if (location.ids?.includes(mount.id) === false || broken.has(mount.id)) return false;
    const quiet = withoutTransfers(context);
    reading ??= readOrWarn(storage, quiet);
    const stored = (await reading)?.mounts.find(({ id }) => id === mount.id);
    if (stored === undefined) return false;
    const totalBytes = sum(stored.packs.map(({ blob }) => blob.size));
    const transfer = startTransfer({ storage, mount, totalBytes }, context);
    try {
      await importMount({ storage, stored, mount, onBytes: transfer.add }, quiet);
      return true;
    } catch (error) {
      if (isBuildError(error, 'CANCELLED') || context.signal.aborted) throw error;
      warn(`The cache mount ${mount.id} of ${storage.name} is not used`, error, context);
      broken.add(mount.id);
      await mount.files.clear(context);
      return false;
    } finally {
      transfer.end();
    }
  };
}

async function readOrWarn(storage: CacheStorage, context: RunContext): Promise<StoredMounts | undefined> {
  try {
    const found = await fetchMounts(storage, context);
    if (found === undefined) warn(`No cache mounts are taken from ${storage.name}`, 'there are none yet', context);
    return found;
  } catch (error) {
    if (isBuildError(error, 'CANCELLED') || context.signal.aborted) throw error;
    warn(`The cache mounts of ${storage.name} are not used`, error, context);
    return undefined;
  }
}

function warn(what: string, why: unknown, context: RunContext): void {
  const reason = why instanceof Error ? why.message : String(why);
  const message = `${what}: ${reason.replace(/\.$/, '')}.`;
  context.emit({ kind: 'warning', time: Date.now(), code: 'CacheMountNotImported', message });
}

function startTransfer(
  {
    storage,
    mount,
    totalBytes,
  }: { readonly storage: CacheStorage; readonly mount: OpenMount; readonly totalBytes: number },
  context: RunContext,
): { readonly add: (count: number) => void; readonly end: () => void } {
  let currentBytes = 0;
  const name = `cache mount ${mount.id} from ${storage.name}`;
  const emit = (done: boolean): void =>
    context.emit({
      kind: 'transfer',
      time: Date.now(),
      id: name,
      direction: 'pull',
      name,
      currentBytes,
      totalBytes,
      done,
    });
  emit(false);
  return {
    add: (count) => {
      currentBytes += count;
      emit(false);
    },
    end: () => emit(true),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
