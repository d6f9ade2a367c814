import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIgnoreFile, toIgnoreRules } from './ignore-file.ts';
import { createIgnoreMatcher } from './ignore-matcher.ts';
import { naiveIgnored } from './naive-ignore.test-support.ts';

function ignored(patterns: readonly string[], path: string): boolean {
  return createIgnoreMatcher(toIgnoreRules(patterns)).matches(path);
}

describe('parseIgnoreFile()', () => {
  it('takes # as a comment in the first column only, trims blanks and tolerates a byte order mark', () => {
    const rules = parseIgnoreFile('\ufeff# c\n #x\n\n foo \t\r\n', { fileName: '.dockerignore' });
    expect(rules.map(({ pattern }) => pattern)).toEqual(['#x', 'foo']);
  });
  it('knows file, line and place of each rule', () => {
    const [, rule] = parseIgnoreFile('a\n  !b\n', { fileName: '.dockerignore' });
    expect(rule).toMatchObject({ pattern: 'b', negated: true });
    expect(rule!.location).toMatchObject({
      fileName: '.dockerignore',
      range: { start: { line: 2, column: 3 }, end: { line: 2, column: 5 } },
    });
  });
  it('cleans patterns lexically and gives a leading slash no meaning', () => {
    const rules = parseIgnoreFile('/foo\n./a/../b//c/\n!/d\n', { fileName: 'f' });
    expect(rules.map(({ pattern }) => pattern)).toEqual(['foo', 'b/c', 'd']);
  });
});

describe('createIgnoreMatcher()', () => {
  it('anchors patterns at the root', () => {
    expect(ignored(['foo'], 'foo')).toBe(true);
    expect(ignored(['foo'], 'a/foo')).toBe(false);
    expect(ignored(['**/foo'], 'a/b/foo')).toBe(true);
    expect(ignored(['**/foo'], 'foo')).toBe(true);
  });
  it('excludes a directory with everything below it', () => {
    expect(ignored(['foo'], 'foo/a/b')).toBe(true);
    expect(ignored(['foo/*'], 'foo')).toBe(false);
    expect(ignored(['foo/*'], 'foo/a/b')).toBe(true);
    expect(ignored(['foo/**'], 'foo')).toBe(false);
    expect(ignored(['foo/**'], 'foo/a/b')).toBe(true);
  });
  it('lets the last matching rule decide', () => {
    expect(ignored(['*', '!README.md'], 'README.md')).toBe(false);
    expect(ignored(['*', '!README.md'], 'a')).toBe(true);
    expect(ignored(['a', '!a/b/c'], 'a/b/c')).toBe(false);
    expect(ignored(['a', '!a/b/c'], 'a/b/d')).toBe(true);
    expect(ignored(['*.md', '!R*.md', 'R-secret.md'], 'R-secret.md')).toBe(true);
  });
  it('never ignores the root', () => {
    expect(ignored(['**'], '')).toBe(false);
  });
  it('names the rule that decided', () => {
    const matcher = createIgnoreMatcher(parseIgnoreFile('*\n!a\n', { fileName: '.dockerignore' }));
    expect(matcher.decide('b/c').rule?.location?.range.start.line).toBe(1);
    expect(matcher.decide('a/c')).toMatchObject({ ignored: false, rule: { pattern: 'a', negated: true } });
    expect(createIgnoreMatcher([]).decide('x')).toEqual({ ignored: false });
  });
  it('matches code points, with their case', () => {
    expect(ignored(['?x'], '😀x')).toBe(true);
    expect(ignored(['[가-힣]'], '한')).toBe(true);
    expect(ignored(['A'], 'a')).toBe(false);
  });
  it.each(['!', '[', '[a', '[]a]', 'a\\', '[z-a]'])('refuses %s and points at it', (pattern) => {
    const rules = parseIgnoreFile(`ok\n${pattern}\n`, { fileName: '.dockerignore' });
    expect(() => createIgnoreMatcher(rules)).toThrow(
      expect.objectContaining({
        code: 'IGNORE_FILE_SYNTAX',
        location: expect.objectContaining({
          range: { start: { line: 2, column: 1 }, end: { line: 2, column: 1 + pattern.length } },
        }),
      }),
    );
  });
  it('tells a walker which ignored directories it may skip', () => {
    const { mayIncludeBelow } = createIgnoreMatcher(toIgnoreRules(['node_modules', 'dist', '!dist/keep/*.js', 'tmp']));
    expect(mayIncludeBelow('node_modules')).toBe(false);
    expect(mayIncludeBelow('dist')).toBe(true);
    expect(mayIncludeBelow('dist/keep')).toBe(true);
    expect(mayIncludeBelow('dist/other')).toBe(false);
    expect(createIgnoreMatcher(toIgnoreRules(['!a/b', 'a'])).mayIncludeBelow('a')).toBe(false);
    expect(createIgnoreMatcher(toIgnoreRules(['*', '!**/x'])).mayIncludeBelow('a/b')).toBe(true);
  });

  const name = fc.constantFrom('a', 'b', 'ab', 'c.md', '.x', 'é');
  const paths = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const part = fc.constantFrom('a', 'b', '*', '**', '?', 'a*', '*.md', '[ab]', '[^a]', '**b', '.x', 'é', 'a**');
  const pattern = fc
    .tuple(fc.boolean(), fc.array(part, { minLength: 1, maxLength: 3 }))
    .map(([negated, parts]) => (negated ? '!' : '') + parts.join('/'));

  it('agrees with a second implementation by regular expressions, in any order of paths', () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 5 }),
        fc.array(paths, { minLength: 1, maxLength: 6 }),
        (rules, tried) => {
          const matcher = createIgnoreMatcher(toIgnoreRules(rules));
          for (const path of tried) {
            expect(`${path} ${matcher.matches(path)}`).toBe(`${path} ${naiveIgnored(rules, path)}`);
          }
        },
      ),
      { numRuns: 4000 },
    );
  });
  it('skips a directory only when nothing below it is included again', () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 5 }), paths, paths, (rules, directory, below) => {
        const matcher = createIgnoreMatcher(toIgnoreRules(rules));
        if (!matcher.matches(directory) || matcher.mayIncludeBelow(directory)) return;
        expect(matcher.matches(`${directory}/${below}`)).toBe(true);
      }),
      { numRuns: 4000 },
    );
  });
  it('takes long paths and patterns in bounded time', () => {
    const start = performance.now();
    ignored([`${'*a'.repeat(60)}b`, `${'**/'.repeat(30)}x`], `${'a'.repeat(4000)}/${'a/'.repeat(2000)}c`);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
