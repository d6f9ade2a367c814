import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { listNames } from './areas.ts';
import { formatOwner } from './owner.ts';
import { systemCode } from './store-error.ts';
import { PROVISIONAL, type StoreHome } from './store-home.ts';

/** Folders whose children garbage collection removes, each a folder of folders. */
const PARENTS = ['blobs', 'zlayer/areas', 'zlayer/records'];

/** Victims of garbage collection that are out of sight but not lost: they lie under their old paths in a trash directory. */
export interface MovedAside {
  /** Puts one back, unless a new one stands in its place. */
  putBack(path: string): void;
  /** Gives all the rest up for removal. */
  condemn(): void;
}

/**
 * Moves victims out of the way. Only under the index lock, and for as long as it is held: when the process dies meanwhile,
 * the next holder of the lock puts everything back (`recoverMovedAside`).
 */
export function moveAside(home: StoreHome, victims: Iterable<string>): MovedAside {
  const { root, trash } = home.paths;
  const folder = `${trash}/${formatOwner(home.self())}.${randomBytes(8).toString('hex')}${PROVISIONAL}`;
  mkdirSync(folder, { mode: 0o700 });
  const parents = new Set<string>();
  for (const victim of victims) {
    const target = join(folder, relative(root, victim));
    const parent = dirname(target);
    if (!parents.has(parent)) mkdirSync(parent, { recursive: true });
    parents.add(parent);
    renameIfThere(victim, target);
  }
  return {
    putBack: (path) => putBack(join(folder, relative(root, path)), path),
    condemn: () => home.discard(folder),
  };
}

/** Undoes the collections that were cut short. Only under the index lock. */
export function recoverMovedAside(home: StoreHome): void {
  const { root, trash } = home.paths;
  for (const name of readdirSync(trash)) {
    if (!name.endsWith(PROVISIONAL)) continue;
    const folder = join(trash, name);
    for (const parent of PARENTS) {
      for (const kind of listNames(join(folder, parent))) {
        for (const entry of listNames(join(folder, parent, kind))) {
          putBack(join(folder, parent, kind, entry), join(root, parent, kind, entry));
        }
      }
    }
    home.discard(folder);
  }
}

function putBack(from: string, to: string): void {
  if (lstatSync(to, { throwIfNoEntry: false }) === undefined) renameIfThere(from, to);
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!['ENOENT', 'EEXIST', 'ENOTEMPTY'].includes(systemCode(error) ?? '')) throw error;
  }
}
