import { lstatSync, readdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { keyOfFileName } from './paths.ts';
import { guard, guardAsync, systemCode } from './store-error.ts';
import { makeDirectory, type StoreHome } from './store-home.ts';
import type { Area, AreaName } from './types.ts';

/** What an area asks of the rest of the store. */
export interface AreaOptions {
  readonly beforePublish: (area: AreaName, key: string) => Promise<void>;
  /** Waits out a garbage collection that may have moved something which it will put back. */
  readonly whenUnlocked: () => Promise<void>;
}

/**
 * An entry is a folder of ours that holds the caller's file or directory as `data`: its own time stamps are never touched
 * (they belong to a snapshot's root), the folder's tell when it was last used, and those of `made` when it was complete.
 */
export function createArea(home: StoreHome, name: AreaName, options: AreaOptions): Area {
  const { paths } = home;
  const folder = `${paths.areas}/${name}`;
  const path = (key: string): string => `${paths.entry(name, key)}/data`;
  const has = async (key: string): Promise<boolean> => {
    const entry = paths.entry(name, key);
    if (markUsed(entry)) return true;
    await options.whenUnlocked();
    return markUsed(entry);
  };
  return {
    name,
    path,
    has,
    create: async (key, fill) => {
      await options.beforePublish(name, key);
      if (await has(key)) return path(key);
      await guardAsync(`write to ${folder}`, async () => {
        const temporaryPath = home.temporaryPath(name);
        makeDirectory(temporaryPath);
        try {
          await fill(`${temporaryPath}/data`);
          writeFileSync(`${temporaryPath}/made`, '');
          if (!publish(temporaryPath, paths.entry(name, key))) home.discard(temporaryPath);
        } catch (error) {
          home.discard(temporaryPath);
          throw error;
        }
      });
      return path(key);
    },
    remove: async (key) => guard(`remove an entry of ${folder}`, () => home.discard(paths.entry(name, key))),
    list: async () => guard(`list ${folder}`, () => listNames(folder).map(keyOfFileName)),
  };
}

/** Names in a folder; none where the folder was never needed. */
export function listNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** False when somebody else's entry is there already. */
function publish(temporaryPath: string, entry: string): boolean {
  try {
    renameSync(temporaryPath, entry);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST' || code === 'ENOTEMPTY') return false;
    if (code !== 'ENOENT') throw error;
    makeDirectory(entry.slice(0, entry.lastIndexOf('/')));
    return publish(temporaryPath, entry);
  }
}

/** True when the entry is there. */
function markUsed(entry: string): boolean {
  if (lstatSync(entry, { throwIfNoEntry: false }) === undefined) return false;
  const now = Date.now() / 1000;
  try {
    utimesSync(entry, now, now);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    return lstatSync(entry, { throwIfNoEntry: false }) !== undefined;
  }
}
