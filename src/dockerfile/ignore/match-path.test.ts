import { describe, expect, it } from 'vitest';
import { matchPathPattern, parsePathPattern } from './match-path.ts';

describe('matchPathPattern()', () => {
  it.each([
    ['*', 'a', true],
    ['*', '.hidden', true],
    ['*', 'a/b', false],
    ['a/*/c', 'a/b/c', true],
    ['**', 'a/b', false],
    ['?', 'é', true],
    ['?', '😀', true],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['arr[[]0].txt', 'arr[0].txt', true],
    ['arr[0].txt', 'arr[0].txt', false],
    ['a', 'a', true],
  ])('says of %s and %s: %s', (pattern, path, expected) => {
    expect(matchPathPattern(pattern, path)).toBe(expected);
  });
  it('takes ** as any depth where asked to', () => {
    expect(matchPathPattern('a/**/b', 'a/x/y/b', { deep: true })).toBe(true);
    expect(matchPathPattern('a/**/b', 'a/b', { deep: true })).toBe(true);
    expect(matchPathPattern('**/*.c', 'x/y.c', { deep: true })).toBe(true);
  });
  it.each(['[', 'a[', '[]', '\\'])('refuses %s', (pattern) => {
    expect(() => matchPathPattern(pattern, 'a')).toThrow(expect.objectContaining({ code: 'DOCKERFILE_INVALID' }));
  });
});

describe('parsePathPattern()', () => {
  it('tells a plain path, its escapes removed, from a pattern', () => {
    expect(parsePathPattern('a/\\*b')).toMatchObject({ hasWildcards: false, plainPath: 'a/*b' });
    expect(parsePathPattern('a/b/c*/d')).toMatchObject({ hasWildcards: true, plainPath: 'a/b' });
    expect(parsePathPattern('*.c')).toMatchObject({ hasWildcards: true, plainPath: '' });
  });
  it('tells a walker where matches can lie', () => {
    const { mayMatchBelow } = parsePathPattern('a*/b/*.c');
    expect(['', 'a', 'ax/b', 'b', 'a/c', 'a/b/d'].map(mayMatchBelow)).toEqual([true, true, true, false, false, false]);
  });
});
