import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import type { BlobId, Digest } from '../core/index.ts';
import { writeFully } from './durable.ts';
import { formatOwner } from './owner.ts';
import { fileNameOfKey } from './paths.ts';
import { guard, systemCode } from './store-error.ts';
import type { StoreHome } from './store-home.ts';
import type { AreaName, BlobStore, Lease } from './types.ts';

const HEARTBEAT_MS = 60_000;

/** The leases of this store object, and what all leases of all live processes protect. */
export interface LeaseBook {
  open(presence: Presence): Promise<Lease>;
  /** Has every open lease of this store object protect what is about to appear. */
  protect(pin: Pin): Promise<void>;
}

/** How a lease finds out whether what it protects is here. */
export interface Presence {
  readonly hasBlob: BlobStore['has'];
  readonly hasEntry: (area: AreaName, key: string) => Promise<boolean>;
}

/** A line of a lease file: `blob <digest>`, or `<area> <file name of the key>`. */
export type Pin = string & { readonly __pin?: never };

export function pinOfBlob(digest: Digest): Pin {
  return `blob ${digest}`;
}

export function pinOfEntry(area: AreaName, key: string): Pin {
  return `${area} ${fileNameOfKey(key)}`;
}

/**
 * A lease is a file to which pins are only appended. Garbage collection takes the index lock, reads all leases, and then moves
 * its victims away. So a pin that was appended while nobody had the lock is seen by every later collection; while somebody
 * has it, the one who pins waits, and only then looks whether the thing is here. From then on its path is safe to use.
 */
export function createLeaseBook(home: StoreHome, whenUnlocked: () => Promise<void>): LeaseBook {
  const open = new Set<(pin: Pin) => boolean>();
  return {
    protect: async (pin) => {
      let isNew = false;
      for (const add of open) isNew = add(pin) || isNew;
      if (isNew) await whenUnlocked();
    },
    open: async (presence) => {
      const id = `${formatOwner(home.self())}.${randomBytes(8).toString('hex')}`;
      const path = `${home.paths.leases}/${id}`;
      const fd = guard(`open a lease in ${home.paths.leases}`, () => openSync(path, 'ax', 0o600));
      const add = appender(fd, path);
      const beat = setInterval(() => keepFresh(path), HEARTBEAT_MS).unref();
      open.add(add);
      let released = false;
      return {
        id,
        pinBlob: async (blob: BlobId) => {
          if (add(pinOfBlob(blob.digest))) await whenUnlocked();
          return presence.hasBlob(blob);
        },
        pinEntry: async (area, key) => {
          if (add(pinOfEntry(area, key))) await whenUnlocked();
          return presence.hasEntry(area, key);
        },
        release: async () => {
          if (released) return;
          released = true;
          clearInterval(beat);
          open.delete(add);
          closeSync(fd);
          rmSync(path, { force: true });
          home.rest();
        },
      };
    },
  };
}

/** Everything that live processes protect. Leases of dead ones are removed on the way. */
export function readPins(home: StoreHome): ReadonlySet<Pin> {
  const pins = new Set<Pin>();
  for (const name of readdirSync(home.paths.leases)) {
    const path = `${home.paths.leases}/${name}`;
    if (home.isAbandoned(name, path)) rmSync(path, { force: true });
    else for (const pin of readLines(path)) pins.add(pin);
  }
  return pins;
}

/** Gives true for a pin that is new. A pin is one write, in append mode: lines of a lease never mix, and a reader sees whole lines only. */
function appender(fd: number, path: string): (pin: Pin) => boolean {
  const known = new Set<Pin>();
  return (pin) => {
    if (known.has(pin)) return false;
    guard(`write the lease ${path}`, () => writeFully(fd, Buffer.from(`${pin}\n`)));
    known.add(pin);
    return true;
  };
}

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function keepFresh(path: string): void {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // Released meanwhile.
  }
}
