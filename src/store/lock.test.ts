import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lutimesSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireLock, tryLock, waitForRelease } from './lock.ts';
import { formatOwner, livenessOf, type Owner, parseOwner, readOwner } from './owner.ts';

const self = readOwner();
let base: string;
let path: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'lock-'));
  path = join(base, 'l');
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

const heldBy = (owner: Owner): void => symlinkSync(`${formatOwner(owner)}.0123`, path);

describe('acquireLock()', () => {
  it('lets one in at a time', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      const lock = await acquireLock(path, { self });
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
      lock.release();
    };
    await Promise.all(Array.from({ length: 10 }, work));
    expect(most).toBe(1);
    expect(readdirSync(base)).toEqual([]);
  });
  it('names the holder when it gives up', async () => {
    const lock = await acquireLock(path, { self });
    await expect(acquireLock(path, { self, waitMs: 20 })).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    lock.release();
  });
  it('breaks the lock of an earlier boot', async () => {
    heldBy({ ...self, bootId: '0'.repeat(32) });
    (await acquireLock(path, { self, waitMs: 0 })).release();
    expect(readdirSync(base)).toEqual([]);
  });
  it('breaks the lock of a process whose number is in use again', async () => {
    heldBy({ ...self, start: '1' });
    (await acquireLock(path, { self, waitMs: 0 })).release();
  });
  it('respects another pid namespace until its heartbeat stops', async () => {
    heldBy({ ...self, pidNamespace: '1', pid: 1 });
    expect(tryLock(path, self)).toBeUndefined();
    const past = new Date(Date.now() - 120_000);
    lutimesSync(path, past, past);
    const lock = tryLock(path, self);
    expect(lock).toBeDefined();
    lock?.release();
  });
  it('survives a breaker that died between its steps', async () => {
    heldBy({ ...self, start: '1' });
    symlinkSync(`${formatOwner({ ...self, start: '2' })}.4567`, `${path}.0123`);
    (await acquireLock(path, { self, waitMs: 0 })).release();
    expect(readdirSync(base)).toEqual([]);
  });
  it('does not release what somebody else has taken over', async () => {
    const lock = await acquireLock(path, { self });
    rmSync(path);
    heldBy({ ...self, pid: 1 });
    lock.release();
    expect(readdirSync(base)).toEqual(['l']);
  });
});

describe('livenessOf()', () => {
  it('sees a killed process as dead, reaped or not', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const owner = ownerOf(child);
    expect(livenessOf(owner, self)).toBe('alive');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(livenessOf(owner, self)).toBe('dead');
  });
  it('reads back what it wrote', () => {
    expect(parseOwner(`${formatOwner(self)}.more`)).toEqual(self);
    expect(parseOwner('lost+found')).toBeUndefined();
    expect(existsSync(`/proc/${self.pid}`) ? self.start : 'x').not.toBe('0');
  });
});

function ownerOf(child: ChildProcess): Owner {
  const pid = child.pid ?? 0;
  // The number is all that differs: start time 0 means "ask the system whether it runs".
  return { ...self, pid, start: readStart(pid) };
}

function readStart(pid: number): string {
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

describe('waitForRelease()', () => {
  it('returns when the holder of now is gone, although another one has the lock', async () => {
    const lock = await acquireLock(path, { self });
    const waiting = waitForRelease(path, { self });
    lock.release();
    const next = await acquireLock(path, { self });
    expect(await waiting).toBe(true);
    next.release();
    expect(await waitForRelease(path, { self })).toBe(true);
  });
  it('tells of a dead holder', async () => {
    heldBy({ ...self, start: '1' });
    expect(await waitForRelease(path, { self })).toBe(false);
  });
});
