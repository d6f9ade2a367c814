import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmdirSync, statSync, utimesSync } from 'node:fs';
import { formatOwner, livenessOf, type Owner, parseOwner, readOwner } from './owner.ts';
import type { StorePaths } from './paths.ts';
import { guard, systemCode } from './store-error.ts';

/** A process of another pid namespace counts as dead when its directory or lease was not touched for this long. */
const SILENCE_MS = 10 * 60_000;
const HEARTBEAT_MS = 60_000;

/** What the parts of a store share: its paths, who we are, temporary paths, and removal. */
export interface StoreHome {
  readonly paths: StorePaths;
  /** This process; read when first needed, since opening a store must stay cheap. */
  readonly self: () => Owner;
  readonly removeTree: (path: string) => Promise<void>;
  /** A path for something new, in this process's own directory, which lives as long as the process does. */
  readonly temporaryPath: (prefix: string) => string;
  /** Moves a file or tree out of the way at once, and removes it in the background. */
  readonly discard: (path: string) => void;
  /** Moves what dead processes left behind out of the way, and removes it in the background. */
  readonly sweep: () => void;
  /** True when a name that starts with an owner belongs to a process that is gone. `path` is where its heartbeat shows. */
  readonly isAbandoned: (name: string, path: string) => boolean;
  /** Gives up this process's temporary directory, if it is empty, until the next `temporaryPath`. */
  readonly rest: () => void;
  /** Waits for background removals. */
  readonly settle: () => Promise<void>;
}

export function createStoreHome(paths: StorePaths, removeTree: (path: string) => Promise<void>): StoreHome {
  let owner: Owner | undefined;
  const self = (): Owner => (owner ??= readOwner());
  const removals = new Set<Promise<void>>();

  let directory: string | undefined;
  let beat: NodeJS.Timeout | undefined;
  const temporaryPath = (prefix: string): string => {
    directory ??= `${paths.tmp}/${formatOwner(self())}`;
    const path = directory;
    if (statSync(path, { throwIfNoEntry: false }) === undefined)
      guard(`write to ${paths.root}`, () => makeDirectory(path));
    beat ??= startHeartbeat(path);
    return `${path}/${prefix}-${randomBytes(8).toString('hex')}`;
  };
  const rest = (): void => {
    clearInterval(beat);
    beat = undefined;
    if (directory !== undefined) removeIfEmpty(directory);
  };
  const remove = (path: string): void => {
    const removal = removeTree(path)
      // What cannot be removed now stays in the trash for the next sweep.
      .catch(() => undefined)
      .finally(() => removals.delete(removal));
    removals.add(removal);
  };
  const discard = (path: string): void => {
    const target = `${paths.trash}/${formatOwner(self())}.${randomBytes(8).toString('hex')}`;
    try {
      renameSync(path, target);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw error;
    }
    remove(target);
  };
  const isAbandoned = (name: string, path: string): boolean => {
    const found = parseOwner(name);
    if (found === undefined) return false;
    const liveness = livenessOf(found, self());
    if (liveness !== 'unknown') return liveness === 'dead';
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat !== undefined && Date.now() - stat.mtimeMs > SILENCE_MS;
  };
  const sweep = (): void => {
    for (const name of readdirSync(paths.tmp)) {
      if (isAbandoned(name, `${paths.tmp}/${name}`)) discard(`${paths.tmp}/${name}`);
    }
    for (const name of readdirSync(paths.trash)) {
      const path = `${paths.trash}/${name}`;
      if (!name.endsWith(PROVISIONAL) && isAbandoned(name, path)) discard(path);
    }
  };
  const settle = async (): Promise<void> => {
    while (removals.size > 0) await Promise.all(removals);
  };
  return { paths, self, removeTree, temporaryPath, discard, sweep, isAbandoned, rest, settle };
}

/** Ends the name of a trash directory whose content may still be put back. */
export const PROVISIONAL = '.provisional';

/** True when it was made, false when it was there. */
export function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, 0o700);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not empty, or gone already: both are fine.
  }
}

/** Shows processes of other pid namespaces that we live. */
function startHeartbeat(path: string): NodeJS.Timeout {
  const beat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      // The directory is gone or the disk read-only: whoever writes next will say so.
    }
  }, HEARTBEAT_MS);
  return beat.unref();
}
