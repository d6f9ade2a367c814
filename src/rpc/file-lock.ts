import { randomBytes } from 'node:crypto';
import { lstatSync, readFileSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BuildError, throwIfCancelled } from '../core/index.ts';

/** How a lock is waited for. */
export interface FileLockOptions {
  /** Default 30 seconds. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/** What is done under a lock takes seconds; one that is older belongs to a process that this one cannot see, and is gone. */
const MAX_HOLD_MS = 60_000;

/**
 * Does work that one process of this machine at a time may do. The lock is a symbolic link whose text names its holder, so
 * that it appears whole; that of a process that is gone is broken. The work must be done within a minute.
 *
 * @throws BuildError `STORE_LOCKED` when a live process keeps the lock for longer than `waitMs`; `CANCELLED`.
 */
export async function withFileLock<T>(path: string, work: () => Promise<T>, options: FileLockOptions = {}): Promise<T> {
  const holder = await acquire(path, options);
  try {
    return await work();
  } finally {
    if (holderOf(path) === holder) unlinkSync(path);
  }
}

async function acquire(path: string, { waitMs = 30_000, signal }: FileLockOptions): Promise<string> {
  const deadline = Date.now() + waitMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 1.5, 50)) {
    if (signal !== undefined) throwIfCancelled(signal);
    const holder = tryAcquire(path);
    if (holder !== undefined) return holder;
    if (Date.now() >= deadline) throw lockedError(path);
    await delay(pauseMs * (0.5 + Math.random()));
  }
}

function tryAcquire(path: string): string | undefined {
  const self = `${process.pid}.${startOf(process.pid) ?? 0}.${readBootId()}.${randomBytes(6).toString('hex')}`;
  if (link(self, path)) return self;
  const holder = holderOf(path);
  if (holder !== undefined && isDead(path, holder)) breakLock(path, holder);
  return link(self, path) ? self : undefined;
}

/** Only whoever has the right to break this very holder's lock removes it, and looks again first: never one taken since. */
function breakLock(path: string, holder: string): void {
  const right = `${path}.${holder.slice(holder.lastIndexOf('.') + 1)}`;
  const breaker = tryAcquire(right);
  if (breaker === undefined) return;
  try {
    if (holderOf(path) === holder) unlinkSync(path);
  } finally {
    unlinkSync(right);
  }
}

function isDead(path: string, holder: string): boolean {
  const [pid = '', start = '', boot = ''] = holder.split('.');
  if (boot !== readBootId()) return true;
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && Date.now() - found.mtimeMs > MAX_HOLD_MS) return true;
  return !isRunning(Number(pid), start);
}

/** Whether a process runs that began at the time (`startOf`) given; without that time, whether one with its number runs. */
export function isRunning(pid: number, start: string): boolean {
  // A process that has ended, but whose end nobody has taken note of, has no time of its own any more.
  if (start !== '0') return startOf(pid) === start;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process began, in clock ticks since the boot, where the system tells: with its number it names a process for good. */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return 'ZX'.includes(fields[0] ?? 'X') ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '0';
  }
}

function link(text: string, path: string): boolean {
  try {
    symlinkSync(text, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function holderOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function lockedError(path: string): BuildError {
  const pid = holderOf(path)?.split('.')[0];
  return new BuildError(
    'STORE_LOCKED',
    `${path} is held by ${pid === undefined ? 'another process' : `process ${pid}`}.`,
    {
      hint: 'Wait for that process to end, or end it, then try again.',
    },
  );
}
