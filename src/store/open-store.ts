import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError } from '../core/index.ts';
import { createArea } from './areas.ts';
import { createBlobStore } from './blobs.ts';
import { isFirstSinceBoot } from './boot-mark.ts';
import { createImageStore } from './images.ts';
import { createIndexFile, lockIndex } from './index-file.ts';
import { openLayout } from './layout.ts';
import { createLeaseBook, pinOfBlob, pinOfEntry } from './leases.ts';
import { isLocked, waitForRelease } from './lock.ts';
import { AREA_NAMES, createPaths } from './paths.ts';
import { createRecordStore } from './records.ts';
import { removeTree } from './remove-tree.ts';
import { guard, guardAsync } from './store-error.ts';
import { createStoreHome } from './store-home.ts';
import { syncBlobs } from './sync-blobs.ts';
import type { Area, AreaName, Store, StoreOptions } from './types.ts';

/**
 * Opens the store at `root`, or makes an empty one there. Costs about a millisecond; nothing needs to be closed.
 *
 * While a lease of this object is open, every blob and area entry written through the object is protected by it.
 *
 * @throws BuildError `STORE_FOREIGN`, `STORE_VERSION`, `STORE_PERMISSION`, `STORE_FULL`.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const paths = createPaths(resolve(options.root));
  const home = createStoreHome(paths, options.removeTree ?? removeTree);
  openLayout(home);
  if (isFirstSinceBoot(paths)) await (await import('./recover-boot.ts')).recoverBoot(home);
  const whenUnlocked = async (): Promise<void> => {
    if (!isLocked(paths.indexLock)) return;
    if (!(await waitForRelease(paths.indexLock, { self: home.self() }))) (await lockIndex(home)).release();
  };
  const leases = createLeaseBook(home, whenUnlocked);
  const blobs = createBlobStore(home, {
    beforePublish: (digest) => leases.protect(pinOfBlob(digest)),
    whenUnlocked,
  });
  const areaOptions = {
    beforePublish: (area: AreaName, key: string) => leases.protect(pinOfEntry(area, key)),
    whenUnlocked,
  };
  const areas = new Map<AreaName, Area>(AREA_NAMES.map((name) => [name, createArea(home, name, areaOptions)]));
  const area = (name: AreaName): Area => {
    const found = areas.get(name);
    if (found === undefined) throw new BuildError('INTERNAL', `The store has no area "${name}".`);
    return found;
  };
  const index = createIndexFile(home);
  return {
    root: paths.root,
    blobs,
    images: createImageStore({ file: index, paths, blobs }),
    records: createRecordStore(home),
    area,
    openLease: async () => {
      guard(`open the store ${paths.root}`, () => home.sweep());
      return leases.open({ hasBlob: blobs.has, hasEntry: (name, key) => area(name).has(key) });
    },
    sync: (wanted) => guardAsync(`write to ${paths.root}`, () => syncBlobs(paths, wanted)),
    makeTempDir: async (prefix) => {
      const path = home.temporaryPath(prefix);
      guard(`write to ${paths.root}`, () => mkdirSync(path, { mode: 0o700 }));
      return path;
    },
    usage: async () => (await import('./gc/usage.ts')).readUsage(home, index),
    prune: async (wanted) => (await import('./gc/prune.ts')).prune({ home, index }, wanted),
  };
}
