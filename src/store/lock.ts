import { randomBytes } from 'node:crypto';
import { lstatSync, lutimesSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BuildError } from '../core/index.ts';
import { formatOwner, livenessOf, type Owner, parseOwner } from './owner.ts';
import { systemCode } from './store-error.ts';

/** A holder of another pid namespace counts as dead when its heartbeat is older than this. */
const SILENCE_MS = 30_000;
const HEARTBEAT_MS = 5_000;
const DEFAULT_WAIT_MS = 60_000;

/** A held lock. */
export interface Lock {
  release(): void;
}

/** What locks are taken with. */
export interface LockOptions {
  readonly self: Owner;
  readonly waitMs?: number;
}

/**
 * Takes an exclusive lock that every process of this machine respects, waiting for its holder. The lock is a symbolic link
 * whose text names the holder, so that it appears with its content in one step. The lock of a dead process is broken.
 *
 * @throws BuildError `STORE_LOCKED` when a live process keeps it for longer than `waitMs` (default one minute).
 */
export async function acquireLock(path: string, options: LockOptions): Promise<Lock> {
  const deadline = Date.now() + (options.waitMs ?? DEFAULT_WAIT_MS);
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 1.5, 25)) {
    const lock = tryLock(path, options.self);
    if (lock !== undefined) return lock;
    if (Date.now() >= deadline) throw lockedError(path);
    await delay(pauseMs * (0.5 + Math.random()));
  }
}

/** Takes the lock if it is free or its holder is dead; undefined when another one has it. */
export function tryLock(path: string, self: Owner): Lock | undefined {
  const token = `${formatOwner(self)}.${randomBytes(8).toString('hex')}`;
  if (link(token, path)) return hold(path, token);
  const holder = holderOf(path);
  if (holder !== undefined && isDead(path, { holder, self })) breakLock(path, { holder, self });
  return link(token, path) ? hold(path, token) : undefined;
}

/** True while somebody, dead or alive, has the lock. */
export function isLocked(path: string): boolean {
  return holderOf(path) !== undefined;
}

/**
 * Waits until whoever has the lock now has released it, others may have it by then. At once when nobody has it; false when
 * the holder died, so that what it did half must be looked after.
 *
 * @throws BuildError `STORE_LOCKED` as `acquireLock`.
 */
export async function waitForRelease(path: string, options: LockOptions): Promise<boolean> {
  const first = holderOf(path);
  const deadline = Date.now() + (options.waitMs ?? DEFAULT_WAIT_MS);
  for (let pauseMs = 1; first !== undefined && holderOf(path) === first; pauseMs = Math.min(pauseMs * 1.5, 25)) {
    if (isDead(path, { holder: first, self: options.self })) return false;
    if (Date.now() >= deadline) throw lockedError(path);
    await delay(pauseMs);
  }
  return true;
}

/**
 * Removes the lock of a dead holder. Only whoever has the right to break this very holder's lock (itself a lock, named
 * after the holder's token) may remove it, and looks again first: so a lock taken since is never removed by mistake.
 */
function breakLock(path: string, { holder, self }: { readonly holder: string; readonly self: Owner }): void {
  const right = tryLock(`${path}.${holder.slice(holder.lastIndexOf('.') + 1)}`, self);
  if (right === undefined) return;
  try {
    if (holderOf(path) === holder) unlinkSync(path);
  } finally {
    right.release();
  }
}

function hold(path: string, token: string): Lock {
  const beat = setInterval(() => {
    const now = new Date();
    try {
      if (holderOf(path) === token) lutimesSync(path, now, now);
    } catch {
      // A heartbeat that fails (a full or read-only disk) makes the lock look stale at worst; the work itself will say why.
    }
  }, HEARTBEAT_MS);
  beat.unref();
  return {
    release: () => {
      clearInterval(beat);
      if (holderOf(path) === token) unlinkSync(path);
    },
  };
}

function isDead(path: string, { holder, self }: { readonly holder: string; readonly self: Owner }): boolean {
  const owner = parseOwner(holder);
  if (owner === undefined) return false;
  const liveness = livenessOf(owner, self);
  if (liveness !== 'unknown') return liveness === 'dead';
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > SILENCE_MS;
}

function link(token: string, path: string): boolean {
  try {
    symlinkSync(token, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function holderOf(path: string): string | undefined {
  // Most often nobody has it, and an answer is faster than an exception.
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  try {
    return readlinkSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function lockedError(path: string): BuildError {
  const pid = parseOwner(holderOf(path) ?? '')?.pid;
  return new BuildError(
    'STORE_LOCKED',
    `The store is locked by ${pid === undefined ? 'another process' : `process ${pid}`} (${path}).`,
    {
      hint: 'Wait for that process to end, or end it, then try again.',
    },
  );
}
