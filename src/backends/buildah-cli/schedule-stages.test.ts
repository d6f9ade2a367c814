import { describe, expect, it } from 'vitest';
import type { VertexId } from '../../graph/index.ts';
import type { StagePlan } from './plan-stages.ts';
import { scheduleStages } from './schedule-stages.ts';

const PLAIN = { network: 'host', insecure: false, multiline: [] } as const;
const plan = (end: string, ...needs: readonly string[]): StagePlan => ({
  end: end as VertexId,
  base: undefined,
  steps: [],
  surroundings: PLAIN,
  needs: new Set(needs as readonly VertexId[]),
});
const quiet = (signal = new AbortController().signal) => ({ signal, emit: () => undefined });

/** Work that goes on until it is told to end; remembers what began. */
function createWork() {
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const run = ({ end }: StagePlan, { signal }: { readonly signal: AbortSignal }): Promise<void> => {
    begun.push(end);
    return new Promise((resolve, reject) => {
      ends.set(end, (error) => (error === undefined ? resolve() : reject(error)));
      signal.addEventListener('abort', () => reject(new Error(`${end} was cancelled`)));
    });
  };
  const end = async (name: string, error?: Error): Promise<void> => {
    ends.get(name)!(error);
    await settle();
  };
  return { begun, run, end };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('scheduleStages()', () => {
  it('begins each stage when those that it needs are there, and no more at once than it may', async () => {
    const { begun, run, end } = createWork();
    const plans = [plan('a'), plan('b'), plan('c'), plan('d', 'a', 'b')];
    const done = scheduleStages(run, { plans, limit: 2 }, quiet());
    await settle();
    expect(begun).toEqual(['a', 'b']);
    await end('a');
    expect(begun).toEqual(['a', 'b', 'c']);
    await end('c');
    expect(begun).toEqual(['a', 'b', 'c']);
    await end('b');
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
    await end('d');
    await done;
  });

  it('cancels the others when one fails, waits for them, and throws what failed first', async () => {
    const { begun, run, end } = createWork();
    const done = scheduleStages(run, { plans: [plan('a'), plan('b'), plan('c', 'a')], limit: 4 }, quiet());
    const caught = done.catch((error: Error) => error.message);
    await settle();
    await end('a', new Error('a failed'));
    expect(await caught).toBe('a failed');
    expect(begun).toEqual(['a', 'b']);
  });

  it('passes a cancel on', async () => {
    const controller = new AbortController();
    const { run } = createWork();
    const done = scheduleStages(run, { plans: [plan('a')], limit: 1 }, quiet(controller.signal));
    await settle();
    controller.abort();
    await expect(done).rejects.toThrow('a was cancelled');
  });
});
