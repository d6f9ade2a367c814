import { existsSync, lutimesSync, mkdtempSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isRunning, startOf, withFileLock } from './file-lock.ts';

let root: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'zlayer-lock-'));
  path = join(root, 'lock');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('withFileLock()', () => {
  it('lets one do its work at a time', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await tick();
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => withFileLock(path, work)));
    expect(most).toBe(1);
    expect(existsSync(path)).toBe(false);
  });

  it('gives the lock back when the work fails', async () => {
    const work = async (): Promise<never> => {
      throw new Error('no');
    };
    await expect(withFileLock(path, work)).rejects.toThrow('no');
    expect(await withFileLock(path, async () => 'done')).toBe('done');
  });

  it('breaks the lock of a process that is gone', async () => {
    symlinkSync('4194304.1.some-boot.abc', path);
    expect(await withFileLock(path, async () => 'done', { waitMs: 1000 })).toBe('done');
  });

  it('breaks a lock that is older than any work', async () => {
    await withFileLock(path, async () => {
      const own = readlinkSync(path);
      rmSync(path);
      symlinkSync(own.replace(/[^.]*$/, 'other'), path);
    });
    const longAgo = new Date(Date.now() - 120_000);
    lutimesSync(path, longAgo, longAgo);
    expect(await withFileLock(path, async () => 'done', { waitMs: 1000 })).toBe('done');
  });

  it('says who has it after waiting in vain', async () => {
    await withFileLock(path, async () => {
      const waiting = withFileLock(path, async () => 'never', { waitMs: 50 });
      await expect(waiting).rejects.toMatchObject({
        code: 'STORE_LOCKED',
        message: expect.stringContaining(`process ${process.pid}`),
      });
    });
  });

  it('stops waiting when it is cancelled', async () => {
    await withFileLock(path, async () => {
      const controller = new AbortController();
      const waiting = withFileLock(path, async () => 'never', { signal: controller.signal });
      controller.abort();
      await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
    });
  });
});

describe('isRunning()', () => {
  it('knows a process by its number and its start', () => {
    const start = startOf(process.pid) ?? '0';
    expect(isRunning(process.pid, start)).toBe(true);
    if (start !== '0') expect(isRunning(process.pid, '1')).toBe(false);
    expect(isRunning(4_194_304, '0')).toBe(false);
  });
});
