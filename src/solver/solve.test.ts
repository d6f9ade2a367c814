import { describe, expect, it } from 'vitest';
import { BuildError, digestOf, type RunContext } from '../core/index.ts';
import type { Graph, Vertex } from '../graph/index.ts';
import { createSharedWork } from './shared-work.ts';
import { createSlots } from './slots.ts';
import { solve } from './solve.ts';
import type { CachedResult, OpRunner, ResultCache } from './types.ts';
import { changesBetween } from './verdict.ts';

const CONTEXT: RunContext = { signal: new AbortController().signal, emit: () => undefined };

interface Step {
  readonly name: string;
  readonly inputs?: readonly string[];
  readonly ignoreCache?: boolean;
}

/** A graph of named steps; a step's result is its name and its inputs' results. */
function graphOf(steps: readonly Step[]): Graph {
  return {
    vertices: steps.map(
      ({ name, inputs = [], ignoreCache = false }): Vertex => ({
        id: digestOf(name),
        op: { kind: 'mkdir', base: 0, path: `/${name}` },
        inputs: inputs.map((input) => digestOf(input)),
        info: { name, slot: name, ignoreCache },
      }),
    ),
  };
}

function memoryCache(): ResultCache<string> {
  const records = new Map<string, CachedResult<string>>();
  const slots = new Map<string, Readonly<Record<string, string>>>();
  return {
    lookup: async (key) => records.get(key),
    save: async (keys, result) => {
      for (const key of keys) records.set(key, result);
    },
    explain: async (slot, inputs) => {
      const before = slots.get(slot);
      return before === undefined ? undefined : changesBetween(before, inputs);
    },
    note: async (slot, inputs) => void slots.set(slot, inputs),
  };
}

interface Rig {
  readonly runner: OpRunner<string>;
  readonly ran: string[];
}

function createRig(run: (name: string, context: RunContext) => Promise<void> = async () => undefined): Rig {
  const ran: string[] = [];
  return {
    ran,
    runner: {
      isCacheable: () => true,
      async *keys(vertex, inputs) {
        yield {
          key: `${vertex.info.name}(${inputs.join(',')})`,
          inputs: { base: inputs.join(','), step: vertex.info.name },
        };
      },
      async run(vertex, inputs, context) {
        ran.push(vertex.info.name);
        await run(vertex.info.name, context);
        return `${vertex.info.name}(${inputs.join(',')})`;
      },
    },
  };
}

const DIAMOND = graphOf([
  { name: 'base' },
  { name: 'left', inputs: ['base'] },
  { name: 'right', inputs: ['base'] },
  { name: 'top', inputs: ['left', 'right'] },
]);

describe('solve()', () => {
  it('evaluates inputs first and each vertex once', async () => {
    const rig = createRig();
    const outcomes = await solve(
      { runner: rig.runner, cache: memoryCache() },
      { graph: DIAMOND, parallelism: 2, mode: 'run' },
      CONTEXT,
    );
    expect(rig.ran.toSorted()).toEqual(['base', 'left', 'right', 'top']);
    expect(outcomes.get(digestOf('top'))?.value?.result).toBe('top(left(base()),right(base()))');
  });

  it('takes everything from the cache the second time, with the time of the first', async () => {
    const rig = createRig();
    const deps = { runner: rig.runner, cache: memoryCache() };
    const first = await solve(deps, { graph: DIAMOND, parallelism: 2, mode: 'run' }, CONTEXT);
    const second = await solve(deps, { graph: DIAMOND, parallelism: 2, mode: 'run' }, CONTEXT);
    expect(rig.ran).toHaveLength(4);
    const top = digestOf('top');
    expect(second.get(top)?.verdict.kind).toBe('cached');
    expect(second.get(top)?.value?.createdMs).toBe(first.get(top)?.value?.createdMs);
  });

  it('runs independent vertices side by side, within the bound', async () => {
    let running = 0;
    let most = 0;
    const rig = createRig(async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    });
    const graph = graphOf(['a', 'b', 'c', 'd', 'e'].map((name) => ({ name })));
    await solve({ runner: rig.runner, cache: memoryCache() }, { graph, parallelism: 3, mode: 'run' }, CONTEXT);
    expect(most).toBe(3);
  });

  it('throws the first failure and cancels the steps beside it', async () => {
    let cancelled = false;
    const rig = createRig(async (name, { signal }) => {
      if (name === 'bad') throw new BuildError('STEP_FAILED', 'it failed');
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      cancelled = true;
    });
    const graph = graphOf([{ name: 'slow' }, { name: 'bad' }, { name: 'after', inputs: ['bad'] }]);
    const solving = solve(
      { runner: rig.runner, cache: memoryCache() },
      { graph, parallelism: 2, mode: 'run' },
      CONTEXT,
    );
    await expect(solving).rejects.toMatchObject({ code: 'STEP_FAILED' });
    expect(cancelled).toBe(true);
    expect(rig.ran).not.toContain('after');
  });

  it('does not keep a failed step', async () => {
    let fails = true;
    const rig = createRig(async () => {
      if (fails) throw new BuildError('STEP_FAILED', 'it failed');
    });
    const deps = { runner: rig.runner, cache: memoryCache() };
    const input = { graph: graphOf([{ name: 'a' }]), parallelism: 1, mode: 'run' } as const;
    await expect(solve(deps, input, CONTEXT)).rejects.toThrow('it failed');
    fails = false;
    await solve(deps, input, CONTEXT);
    expect(rig.ran).toEqual(['a', 'a']);
  });

  it('runs a step whose cache is switched off, and says so', async () => {
    const rig = createRig();
    const deps = { runner: rig.runner, cache: memoryCache() };
    const graph = graphOf([{ name: 'a', ignoreCache: true }]);
    await solve(deps, { graph, parallelism: 1, mode: 'run' }, CONTEXT);
    const outcomes = await solve(deps, { graph, parallelism: 1, mode: 'run' }, CONTEXT);
    expect(rig.ran).toEqual(['a', 'a']);
    expect(outcomes.get(digestOf('a'))?.verdict.reason).toContain('switched off');
  });

  it('plans without running: the first miss and everything behind it', async () => {
    const rig = createRig();
    const outcomes = await solve(
      { runner: rig.runner, cache: memoryCache() },
      { graph: DIAMOND, parallelism: 2, mode: 'plan' },
      CONTEXT,
    );
    expect(rig.ran).toEqual([]);
    expect([...outcomes.values()].map(({ verdict }) => verdict.kind)).toEqual(['run', 'unknown', 'unknown', 'unknown']);
    expect(outcomes.get(digestOf('top'))?.verdict.reason).toContain('left');
  });

  it('evaluates what cannot be cached anew, as a source: neither hit nor miss', async () => {
    const rig = createRig();
    const runner = { ...rig.runner, isCacheable: (vertex: Vertex) => vertex.info.name !== 'base' };
    const deps = { runner, cache: memoryCache() };
    await solve(deps, { graph: DIAMOND, parallelism: 2, mode: 'run' }, CONTEXT);
    const outcomes = await solve(deps, { graph: DIAMOND, parallelism: 2, mode: 'plan' }, CONTEXT);
    expect(rig.ran.filter((name) => name === 'base')).toHaveLength(2);
    expect([...outcomes.values()].map(({ verdict }) => verdict.kind)).toEqual(['source', 'cached', 'cached', 'cached']);
  });

  it('says what changed since the last run', async () => {
    const cache = memoryCache();
    await cache.note('a', { base: 'old', step: 'a', gone: 'x' });
    const outcomes = await solve(
      { runner: createRig().runner, cache },
      { graph: graphOf([{ name: 'a' }]), parallelism: 1, mode: 'run' },
      CONTEXT,
    );
    expect(outcomes.get(digestOf('a'))?.verdict).toEqual({
      kind: 'run',
      reason: 'changed: base, gone',
      changes: [
        { input: 'base', from: 'old', to: '' },
        { input: 'gone', from: 'x' },
      ],
    });
  });

  describe('with a pool', () => {
    const POOL = () => ({ running: createSharedWork<CachedResult<string>>(), slots: createSlots(2) });
    const GRAPH = graphOf([{ name: 'shared' }, { name: 'own', inputs: ['shared'] }]);

    it('runs what two solves need once, also where caching is off for one piece of work', async () => {
      for (const ignoreCache of [false, true]) {
        const rig = createRig(() => new Promise((resolve) => setImmediate(resolve)));
        const pool = { ...POOL(), ran: new Set<string>() };
        const deps = { runner: rig.runner, cache: memoryCache(), pool };
        const graph = graphOf([{ name: 'shared', ignoreCache }]);
        const input = { graph, parallelism: 1, mode: 'run' } as const;
        const [first, second] = await Promise.all([solve(deps, input, CONTEXT), solve(deps, input, CONTEXT)]);
        const third = await solve(deps, input, CONTEXT);
        expect(rig.ran).toEqual(['shared']);
        const verdicts = [first, second, third].map((each) => each.get(digestOf('shared'))?.verdict.kind);
        expect(verdicts).toEqual(['run', 'cached', 'cached']);
      }
    });

    it('keeps one limit for all solves, and a solve that waits for another takes no place', async () => {
      const order: string[] = [];
      let finishShared: () => void = () => undefined;
      const held = new Promise<void>((resolve) => {
        finishShared = resolve;
      });
      const rig = createRig(async (name) => {
        order.push(name);
        if (name === 'shared') await held;
        if (name === 'other') finishShared();
      });
      const deps = { runner: rig.runner, cache: memoryCache(), pool: POOL() };
      const solveAll = (name: string) =>
        solve(deps, { graph: graphOf([{ name }]), parallelism: 1, mode: 'run' }, CONTEXT);
      // Two places: one runs, one waits for it; the third solve ends the first.
      await Promise.all([solveAll('shared'), solveAll('shared'), solveAll('other')]);
      expect(order).toEqual(['shared', 'other']);
    });

    it('lets others have what a solve began that failed meanwhile', async () => {
      let letGo: () => void = () => undefined;
      const held = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const aborted: string[] = [];
      const rig = createRig(async (name, { signal }) => {
        signal.addEventListener('abort', () => aborted.push(name));
        if (name === 'shared') await held;
        if (name === 'bad') throw new BuildError('STEP_FAILED', 'it failed');
      });
      const deps = { runner: rig.runner, cache: memoryCache(), pool: { running: POOL().running } };
      const failing = solve(
        deps,
        {
          graph: graphOf([{ name: 'shared' }, { name: 'late' }, { name: 'bad', inputs: ['late'] }]),
          parallelism: 2,
          mode: 'run',
        },
        {
          ...CONTEXT,
          emit: (event) => {
            if (event.kind === 'vertex-failed') letGo();
          },
        },
      );
      const other = solve(deps, { graph: GRAPH, parallelism: 2, mode: 'run' }, CONTEXT);
      await expect(failing).rejects.toMatchObject({ code: 'STEP_FAILED' });
      await other;
      expect(rig.ran.toSorted()).toEqual(['bad', 'late', 'own', 'shared']);
      expect(aborted).toEqual([]);
    });

    it('gives the failure of a shared step to all that need it, each at its own place', async () => {
      const rig = createRig(async () => {
        await new Promise((resolve) => setImmediate(resolve));
        throw new BuildError('STEP_FAILED', 'it failed');
      });
      const deps = { runner: rig.runner, cache: memoryCache(), pool: POOL() };
      const input = { graph: graphOf([{ name: 'shared' }]), parallelism: 1, mode: 'run' } as const;
      const solves = await Promise.allSettled([solve(deps, input, CONTEXT), solve(deps, input, CONTEXT)]);
      expect(solves.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      expect(rig.ran).toEqual(['shared']);
    });

    it('runs a step for each that brings secrets of its own', async () => {
      const rig = createRig(() => new Promise((resolve) => setImmediate(resolve)));
      const pool = POOL();
      const cache = memoryCache();
      const input = { graph: graphOf([{ name: 'shared' }]), parallelism: 1, mode: 'run' } as const;
      const withRights = (rights: string) => ({ runner: { ...rig.runner, rightsOf: () => rights }, cache, pool });
      await Promise.all([solve(withRights('a'), input, CONTEXT), solve(withRights('b'), input, CONTEXT)]);
      expect(rig.ran).toEqual(['shared', 'shared']);
    });
  });

  it('ends with CANCELLED when the signal aborts', async () => {
    const controller = new AbortController();
    controller.abort();
    const context = { ...CONTEXT, signal: controller.signal };
    const solving = solve(
      { runner: createRig().runner, cache: memoryCache() },
      { graph: DIAMOND, parallelism: 1, mode: 'run' },
      context,
    );
    await expect(solving).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
