import { readFileSync, type Stats, statSync } from 'node:fs';
import { BuildError, isDigest } from '../core/index.ts';
import type { Index } from '../oci/index.ts';
import { renameDurably, writeNewFile } from './durable.ts';
import { acquireLock, type Lock } from './lock.ts';
import { guard } from './store-error.ts';
import type { StoreHome } from './store-home.ts';
import { recoverMovedAside } from './trash.ts';

/** The store's `index.json`, read as often as wanted and parsed when it has changed. */
export interface IndexFile {
  read(): Index;
  /**
   * Reads, changes and writes the index in one step that no other process comes between. Nothing is written when `change`
   * gives back undefined. Durable when it returns.
   */
  update(change: (index: Index) => Index | undefined): Promise<void>;
}

/** Takes the lock under which the index changes and garbage is moved away; repairs what a dead holder left half done. */
export async function lockIndex(home: StoreHome): Promise<Lock> {
  const lock = await acquireLock(home.paths.indexLock, { self: home.self() });
  try {
    recoverMovedAside(home);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

export function createIndexFile(home: StoreHome): IndexFile {
  const path = home.paths.index;
  let cached: { readonly stat: Stats; readonly index: Index } | undefined;
  const read = (): Index =>
    guard(`read ${path}`, () => {
      // Every change makes a new inode; its number alone may be used again.
      const stat = statSync(path);
      if (cached?.stat.ino === stat.ino && cached.stat.mtimeMs === stat.mtimeMs && cached.stat.size === stat.size) {
        return cached.index;
      }
      const index = parseIndex(readFileSync(path, 'utf8'), path);
      cached = { stat, index };
      return index;
    });
  return {
    read,
    update: async (change) => {
      const lock = await lockIndex(home);
      try {
        const next = change(read());
        if (next !== undefined) guard(`write ${path}`, () => writeIndex(home, next));
      } finally {
        lock.release();
      }
    },
  };
}

/** Replaces `index.json`. Only under the index lock. */
export function writeIndex(home: StoreHome, index: Index): void {
  const temporaryPath = home.temporaryPath('index');
  writeNewFile(temporaryPath, Buffer.from(JSON.stringify(index)), { durable: true });
  renameDurably(temporaryPath, home.paths.index);
}

function parseIndex(text: string, path: string): Index {
  let value: Partial<Index> | null = null;
  try {
    value = JSON.parse(text) as Partial<Index> | null;
  } catch {
    // Reported below with every other way of being no index.
  }
  const manifests = value?.manifests;
  if (
    value?.schemaVersion === 2 &&
    Array.isArray(manifests) &&
    manifests.every((entry) => isDigest(entry?.digest ?? ''))
  ) {
    return value as Index;
  }
  throw new BuildError('STORE_CORRUPT', `${path} is not an OCI image index.`, {
    hint: 'Put a copy of the file back, or remove it together with the folder "zlayer" beside it to begin with an empty list of images.',
  });
}
