import { describe, expect, it } from 'vitest';
import { createVariableLog } from './variables.ts';

describe('createVariableLog()', () => {
  it('keeps a snapshot as it was when more is set', () => {
    const log = createVariableLog();
    log.set('a', '1');
    const before = log.snapshot();
    log.set('a', '2');
    log.set('b', '3');
    expect([before.get('a'), before.get('b'), [...before.names()]]).toEqual(['1', undefined, ['a']]);
    expect([log.snapshot().get('a'), [...log.snapshot().names()]]).toEqual(['2', ['a', 'b']]);
  });
  it('goes on from an earlier stage without changing it', () => {
    const base = createVariableLog();
    base.set('a', '1');
    const end = base.snapshot();
    const log = createVariableLog(end);
    log.set('b', '2');
    log.set('a', '3');
    expect([...log.snapshot().names()].sort()).toEqual(['a', 'b']);
    expect([log.snapshot().get('a'), end.get('a'), end.get('b')]).toEqual(['3', '1', undefined]);
  });
});
