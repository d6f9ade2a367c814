import { describe, expect, it } from 'vitest';
import { isBuildError } from './errors.ts';
import { compilePathPattern, escapePattern, hasWildcard } from './path-pattern.ts';

describe('compilePathPattern()', () => {
  it.each([
    ['abc', 'abc', true],
    ['*', 'abc', true],
    ['*c', 'abc', true],
    ['a*', 'a', true],
    ['a*', 'ab/c', false],
    ['a*/b', 'abc/b', true],
    ['a*/b', 'a/c/b', false],
    ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
    ['a*b*c*d*e*/f', 'axbxcxdxexxx/fff', false],
    ['ab[c]', 'abc', true],
    ['ab[b-d]', 'abc', true],
    ['ab[e-g]', 'abc', false],
    ['ab[^c]', 'abc', false],
    ['ab[^e-g]', 'abc', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'ab', false],
    ['a?b', 'a☺b', true],
    ['a[^a]b', 'a☺b', true],
    ['a???b', 'a☺b', false],
    ['[a-ζ]*', 'α', true],
    ['*[a-ζ]', 'A', false],
    ['a?b', 'a/b', false],
    ['a*b', 'a/b', false],
    ['[\\]a]', ']', true],
    ['[\\-]', '-', true],
    ['[x\\-]', 'x', true],
    ['[x\\-]', 'z', false],
    ['[\\-x]', '-', true],
    ['[z-a]', 'm', false],
    ['arr[[]0].txt', 'arr[0].txt', true],
    ['*', '.hidden', true],
    ['*x', 'xxx', true],
    ['a.c', 'abc', false],
    ['a(b)+|{c}^$', 'a(b)+|{c}^$', true],
    ['?', '\u{1f600}', true],
  ])('%s on %s is %s', (pattern, path, expected) => {
    expect(compilePathPattern(pattern).matches(path)).toBe(expected);
  });

  it.each(['[', '[^', '[^bc', 'a[', '[]a]', '[-]', '[x-]', '[-x]', '[a-b-c]', 'a\\', '[\\'])(
    'rejects %s',
    (pattern) => {
      expect(() => compilePathPattern(pattern)).toThrowError(`The pattern "${pattern}" cannot be used`);
      try {
        compilePathPattern(pattern);
      } catch (error) {
        expect(isBuildError(error, 'DOCKERFILE_INVALID')).toBe(true);
      }
    },
  );

  it('tells the one path that a pattern without wildcard names', () => {
    expect(compilePathPattern('a\\*b').literal).toBe('a*b');
    expect(compilePathPattern('a*b').literal).toBeUndefined();
  });

  it('takes ** as any depth where asked to', () => {
    const matches = (pattern: string, path: string): boolean =>
      compilePathPattern(pattern, { deep: true }).matches(path);
    expect(matches('a/**/b', 'a/x/y/b')).toBe(true);
    expect(matches('a/**/b', 'a/b')).toBe(true);
    expect(matches('**/*.c', 'x/y.c')).toBe(true);
    expect(compilePathPattern('**').matches('a/b')).toBe(false);
  });

  it('tells a walk where matches can lie', () => {
    const { mayMatchBelow } = compilePathPattern('a*/b/*.c');
    expect(['', 'a', 'ax/b', 'b', 'a/c', 'a/b/d'].map(mayMatchBelow)).toEqual([true, true, true, false, false, false]);
  });
});

describe('hasWildcard()', () => {
  it.each([
    ['a/b', false],
    ['a*', true],
    ['a\\*', false],
    ['a\\\\*', true],
    ['x?', true],
    ['[a]', true],
    ['a\\', false],
    ['', false],
  ])('of %s is %s', (pattern, expected) => {
    expect(hasWildcard(pattern)).toBe(expected);
  });
});

describe('escapePattern()', () => {
  it.each(['a', 'a*b', '[x]', 'what?', 'back\\slash', '\\*'])('makes a pattern that matches %s alone', (text) => {
    expect(hasWildcard(escapePattern(text))).toBe(false);
    expect(compilePathPattern(escapePattern(text)).literal).toBe(text);
  });
});
