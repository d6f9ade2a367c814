import { describe, expect, it } from 'vitest';
import type { VertexId } from '../../graph/index.ts';
import { copy, graphOf, IMAGE, type Node, run, SCRATCH } from './graph.fixture.ts';
import { planStages } from './plan-stages.ts';

/** Stages in few words: what they begin with, their steps, what they wait for. */
function plan(nodes: readonly Node[], ...targets: readonly string[]): readonly string[] {
  return planStages(graphOf(nodes), targets as readonly VertexId[]).map(
    ({ base = 'nothing', steps, needs }) => `${base}: ${steps.map(({ id }) => id).join(' ')} < ${[...needs].join(' ')}`,
  );
}

describe('planStages()', () => {
  it('makes one stage of a chain, and another where something else takes from it', () => {
    const nodes = [
      { id: 'base', op: IMAGE },
      { id: 'one', op: run('one'), inputs: ['base'] },
      { id: 'two', op: run('two'), inputs: ['one'] },
      { id: 'empty', op: SCRATCH },
      { id: 'copied', op: copy(), inputs: ['empty', 'two'] },
      { id: 'beside', op: run('beside'), inputs: ['one'] },
    ];
    expect(plan(nodes.slice(0, 5), 'copied')).toEqual(['base: one two < ', 'nothing: copied < two']);
    expect(plan(nodes, 'copied', 'beside')).toEqual([
      'base: one < ',
      'one: two < one',
      'nothing: copied < two',
      'one: beside < one',
    ]);
  });

  it('parts steps that need other surroundings, and only those', () => {
    const nodes = [
      { id: 'base', op: IMAGE },
      { id: 'plain', op: run('a'), inputs: ['base'] },
      { id: 'host', op: run('a', { network: 'host' }), inputs: ['plain'] },
      { id: 'made', op: { kind: 'mkdir', base: 0, path: '/m' }, inputs: ['host'] },
      { id: 'cut', op: run('a', { network: 'none' }), inputs: ['made'] },
      { id: 'again', op: run('b', { network: 'none' }), inputs: ['cut'] },
      { id: 'mighty', op: run('a', { security: 'insecure' }), inputs: ['again'] },
      { id: 'lines', op: run('a', { env: ['A=b\nc'] }), inputs: ['mighty'] },
    ];
    expect(plan(nodes, 'lines')).toEqual([
      'base: plain host made < ',
      'made: cut again < made',
      'again: mighty < again',
      'mighty: lines < mighty',
    ]);
  });

  it('waits for what mounts and seeds of caches are taken from, an empty file system too', () => {
    const bind = { kind: 'bind', target: '/m', input: 1, source: '/', readonly: true };
    const cache = { kind: 'cache', target: '/c', id: 'c', input: 2, source: '/' };
    const nodes = [
      { id: 'base', op: IMAGE },
      { id: 'seed', op: run('seed'), inputs: ['base'] },
      { id: 'empty', op: SCRATCH },
      { id: 'step', op: run('a', { mounts: [bind, cache] }), inputs: ['base', 'empty', 'seed'] },
    ];
    expect(plan(nodes, 'step')).toEqual(['base: seed < ', 'nothing:  < ', 'base: step < empty seed']);
  });

  it('leaves what sums layers up to what comes after', () => {
    const nodes = [
      { id: 'base', op: IMAGE },
      { id: 'one', op: run('one'), inputs: ['base'] },
      { id: 'sum', op: { kind: 'squash', base: 0, keep: 1 }, inputs: ['one'] },
    ];
    expect(plan(nodes, 'sum')).toEqual(['base: one < ']);
  });
});
