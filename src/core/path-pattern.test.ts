import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { isBuildError } from './errors.ts';
import { compilePathPattern, compilePatternList, hasWildcard } from './path-pattern.ts';

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
      expect(() => compilePathPattern(pattern)).toThrowError(/not a valid path pattern/);
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

describe('compilePatternList()', () => {
  const matches = (patterns: string[], path: string): boolean => compilePatternList(patterns).match(path).matched;

  it('lets a matched directory match everything below it', () => {
    expect(matches(['a'], 'a/b/c')).toBe(true);
    expect(matches(['a'], 'ab')).toBe(false);
  });

  it('lets the last pattern that matches decide', () => {
    expect(matches(['*', '!README.md'], 'README.md')).toBe(false);
    expect(matches(['*', '!README.md', 'README*'], 'README.md')).toBe(true);
  });

  it('takes ** for any number of components', () => {
    expect(matches(['**/x.txt'], 'x.txt')).toBe(true);
    expect(matches(['**/x.txt'], 'a/b/x.txt')).toBe(true);
    expect(matches(['a/**/x.txt'], 'a/x.txt')).toBe(true);
    expect(matches(['a/**'], 'a/b/c')).toBe(true);
    expect(matches(['a/**'], 'a')).toBe(false);
  });

  it('gives the same answer when a walk hands results down', () => {
    const list = compilePatternList(['a', '!a/keep', 'a/keep/not']);
    const a = list.match('a');
    const keep = list.match('a/keep', a);
    expect(a.matched).toBe(true);
    expect(keep.matched).toBe(false);
    expect(list.match('a/keep/not', keep).matched).toBe(true);
    expect(list.match('a/keep/x', keep).matched).toBe(false);
  });

  it('rejects a lone !', () => {
    expect(() => compilePatternList(['!'])).toThrowError(/not a valid path pattern/);
  });

  it('ignores empty patterns and a leading slash', () => {
    expect(matches(['', '  ', '/a'], 'a')).toBe(true);
  });
});

interface IgnoreCase {
  readonly id: string;
  readonly kind: string;
  readonly patterns: readonly string[];
  readonly path: string;
  readonly expected: boolean;
  readonly modes: readonly string[];
  readonly platform?: string;
  readonly error?: boolean;
}

/** Upstream's cases that are meant to come out differently, with the reason. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'match-error/repeat': 'A reversed range matches nothing, as in filepath.Match; upstream fails at the first match.',
  'match-observed/11':
    'A leading slash means nothing; upstream strips it when it reads an ignore file, else never matches.',
};

describe('compilePatternList() on moby/patternmatcher cases', () => {
  const shared = process.env.ZLAYER_SHARED ?? new URL('../../../shared', import.meta.url).pathname;
  const file = `${shared}/conformance/ignore.json`;
  if (!existsSync(file)) {
    test('cases are there', (context) => {
      if (process.env.CI === 'true') throw new Error(`${file} is missing`);
      console.warn(`skipped: ${file} is missing`);
      context.skip();
    });
    return;
  }
  const all = (JSON.parse(readFileSync(file, 'utf8')) as { cases: IgnoreCase[] }).cases;
  const cases = all.filter(
    (c) => c.kind === 'match' && c.platform !== 'windows' && c.modes?.includes('matchesOrParentMatches'),
  );
  it('has its cases', () => expect(cases.length).toBeGreaterThan(100));
  it.each(cases.map((c) => [c.id, c] as const))('%s', (id, c) => {
    let result: boolean | 'error';
    try {
      const path = c.path.replace(/^\.\//, '').replace(/(.)\/+$/, '$1');
      result = compilePatternList(c.patterns).match(path).matched;
    } catch {
      result = 'error';
    }
    const expected = c.error === true ? 'error' : c.expected;
    if (id in DIFFERENT) expect(result).not.toBe(expected);
    else expect(result).toBe(expected);
  });
});
