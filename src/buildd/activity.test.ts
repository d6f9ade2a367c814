import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createActivity } from './activity.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('createActivity()', () => {
  it('is idle only when no work of any kind was in flight for the whole time', () => {
    let idle = 0;
    const activity = createActivity({ idleMs: 1000, onIdle: () => idle++ });
    const endBuild = activity.begin('build');
    const endPush = activity.begin('push');
    vi.advanceTimersByTime(5000);
    endBuild();
    endBuild();
    vi.advanceTimersByTime(5000);
    expect(idle).toBe(0);
    endPush();
    vi.advanceTimersByTime(999);
    activity.begin('upload')();
    vi.advanceTimersByTime(999);
    activity.touch();
    vi.advanceTimersByTime(999);
    expect(idle).toBe(0);
    vi.advanceTimersByTime(1);
    expect(idle).toBe(1);
  });

  it('never is with 0', () => {
    let idle = 0;
    const activity = createActivity({ idleMs: 0, onIdle: () => idle++ });
    activity.begin('build')();
    vi.advanceTimersByTime(10_000_000);
    expect(idle).toBe(0);
  });

  it('tells when everything has ended', async () => {
    const activity = createActivity({ idleMs: 0, onIdle: () => undefined });
    await activity.whenQuiet();
    activity.begin('result');
    const ends = [activity.begin('build'), activity.begin('session')];
    let isQuiet = false;
    const quiet = activity.whenQuiet().then(() => (isQuiet = true));
    ends[0]?.();
    await Promise.resolve();
    expect(isQuiet).toBe(false);
    ends[1]?.();
    await quiet;
    expect(isQuiet).toBe(true);
  });
});
