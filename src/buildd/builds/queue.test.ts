import { describe, expect, it } from 'vitest';
import { createBuildQueue } from './queue.ts';

const NEVER = new AbortController().signal;

describe('createBuildQueue()', () => {
  it('starts in the order of arrival and tells each how many come first, as that changes', async () => {
    const queue = createBuildQueue(1);
    const told: string[] = [];
    const leaveFirst = await queue.enter(NEVER, () => told.push('first'));
    const second = queue.enter(NEVER, (position) => told.push(`second ${position}`));
    const third = queue.enter(NEVER, (position) => told.push(`third ${position}`));
    expect(told).toEqual(['second 1', 'third 2']);
    expect([queue.running, queue.waiting]).toEqual([1, 2]);
    leaveFirst();
    leaveFirst();
    const leaveSecond = await second;
    expect(told).toEqual(['second 1', 'third 2', 'third 1']);
    leaveSecond();
    (await third)();
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });

  it('lets a cancelled build leave the queue, and moves the others up', async () => {
    const queue = createBuildQueue(1);
    const controller = new AbortController();
    const leave = await queue.enter(NEVER, () => undefined);
    const positions: number[] = [];
    const second = queue.enter(controller.signal, () => undefined);
    const third = queue.enter(NEVER, (position) => positions.push(position));
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(positions).toEqual([2, 1]);
    leave();
    (await third)();
    expect(queue.running).toBe(0);
  });
});
