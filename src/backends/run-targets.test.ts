import { describe, expect, it } from 'vitest';
import { BuildError } from '../core/index.ts';
import { type RunTargetsInput, runTargets } from './run-targets.ts';

type Needs = Readonly<Record<string, readonly string[]>>;

interface Seen {
  readonly order: readonly string[];
  readonly most: number;
  readonly kinds: Readonly<Record<string, string>>;
}

/** Works at targets that take a turn of the event loop; `failing` ones fail. */
async function bake(
  needs: Needs,
  options: Partial<RunTargetsInput<string>> & { readonly failing?: readonly string[] } = {},
): Promise<Seen> {
  const order: string[] = [];
  let running = 0;
  let most = 0;
  const run = async (name: string, built: ReadonlyMap<string, string>, signal: AbortSignal): Promise<string> => {
    expect([...built.keys()]).toEqual(needs[name]);
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    if (signal.aborted) throw new BuildError('CANCELLED', 'ended');
    if (options.failing?.includes(name)) throw new BuildError('STEP_FAILED', name);
    order.push(name);
    return name;
  };
  const verdicts = await runTargets({
    needs: new Map(Object.entries(needs)),
    atOnce: 4,
    keepGoing: false,
    signal: new AbortController().signal,
    run,
    ...options,
  });
  const kinds = Object.fromEntries([...verdicts].map(([name, { kind }]) => [name, kind]));
  return { order, most, kinds };
}

describe('runTargets()', () => {
  it('begins with what others need, and works at what it can at once', async () => {
    const { order, most } = await bake({ app: ['base'], tool: [], base: [], web: ['base', 'app'] });
    expect(order).toEqual(['base', 'tool', 'app', 'web']);
    expect(most).toBe(2);
  });

  it('keeps the bound', async () => {
    expect((await bake({ a: [], b: [], c: [], d: [], e: [] }, { atOnce: 2 })).most).toBe(2);
  });

  it('ends everything with the first failure', async () => {
    const { kinds } = await bake({ bad: [], slow: [], late: ['slow'], after: ['bad'] }, { failing: ['bad'] });
    expect(kinds).toEqual({ bad: 'failed', slow: 'cancelled', late: 'cancelled', after: 'cancelled' });
  });

  it('goes on with what does not need a failed one where that is asked for', async () => {
    const needs = { bad: [], slow: [], late: ['slow'], after: ['bad'], last: ['after', 'slow'] };
    const { kinds } = await bake(needs, { failing: ['bad'], keepGoing: true });
    expect(kinds).toEqual({ bad: 'failed', slow: 'built', late: 'built', after: 'skipped', last: 'skipped' });
  });

  it('begins nothing once the caller has aborted', async () => {
    const { kinds, order } = await bake({ a: [], b: ['a'] }, { signal: AbortSignal.abort() });
    expect(kinds).toEqual({ a: 'cancelled', b: 'cancelled' });
    expect(order).toEqual([]);
  });

  it.each<[string, Needs]>([
    ['need each other: a → b → a', { a: ['b'], b: ['a'] }],
    ['needs "c", which is not there', { a: ['c'] }],
  ])('refuses targets that %s', async (message, needs) => {
    await expect(bake(needs)).rejects.toThrow(message);
  });
});
