import { describe, expect, it } from 'vitest';
import { compilePatternList, type PatternList, type PatternListMatch, parsePatternRule } from './pattern-list.ts';

function listOf(...patterns: readonly string[]): PatternList {
  const rules = patterns.map(parsePatternRule).filter((rule) => rule !== undefined);
  return compilePatternList(rules, 'DOCKERFILE_INVALID');
}

/** Walks to the path from the top, as all callers do. */
function walkTo(list: PatternList, path: string): PatternListMatch | undefined {
  const parts = path.split('/');
  return parts.reduce<PatternListMatch | undefined>(
    (parent, _, index) => list.match(parts.slice(0, index + 1).join('/'), parent),
    undefined,
  );
}

const matches = (patterns: readonly string[], path: string): boolean | undefined =>
  walkTo(listOf(...patterns), path)?.matched;

describe('compilePatternList()', () => {
  it('lets a matched directory match everything below it', () => {
    expect(matches(['a'], 'a/b/c')).toBe(true);
    expect(matches(['a'], 'ab')).toBe(false);
  });

  it('lets the last pattern that matches decide', () => {
    expect(matches(['*', '!README.md'], 'README.md')).toBe(false);
    expect(matches(['*', '!README.md', 'README*'], 'README.md')).toBe(true);
    expect(matches(['a', '!a/keep', 'a/keep/not'], 'a/keep/not')).toBe(true);
    expect(matches(['a', '!a/keep', 'a/keep/not'], 'a/keep/x')).toBe(false);
  });

  it('takes ** for any number of components', () => {
    expect(matches(['**/x.txt'], 'x.txt')).toBe(true);
    expect(matches(['**/x.txt'], 'a/b/x.txt')).toBe(true);
    expect(matches(['a/**/x.txt'], 'a/x.txt')).toBe(true);
    expect(matches(['a/**'], 'a/b/c')).toBe(true);
    expect(matches(['a/**'], 'a')).toBe(false);
  });

  it('tells a walk whether something below may come out otherwise', () => {
    const mayChange = (patterns: readonly string[], directory: string): boolean => {
      const list = listOf(...patterns);
      return list.mayChangeBelow(directory, walkTo(list, directory)!);
    };
    expect(mayChange(['a', '!a/keep'], 'a')).toBe(true);
    expect(mayChange(['!a/keep', 'a'], 'a')).toBe(false);
    expect(mayChange(['a', '!b'], 'a')).toBe(false);
    expect(mayChange(['a/b/*.c'], 'a')).toBe(true);
    expect(mayChange(['a/b/*.c'], 'b')).toBe(false);
  });

  it('refuses a lone !, and a malformed pattern', () => {
    for (const pattern of ['!', '[', '[z-a]']) {
      expect(() => listOf(pattern)).toThrow(expect.objectContaining({ code: 'DOCKERFILE_INVALID' }));
    }
  });
});

describe('parsePatternRule()', () => {
  it.each([
    [' a ', { pattern: 'a', negated: false }],
    ['! /a//b/../c/', { pattern: 'a/c', negated: true }],
    ['/../a', { pattern: 'a', negated: false }],
    ['../a', { pattern: '../a', negated: false }],
    ['./', { pattern: '.', negated: false }],
    [' \u0085\t', undefined],
  ])('of %j is %j', (text, rule) => {
    expect(parsePatternRule(text)).toEqual(rule);
  });
});
