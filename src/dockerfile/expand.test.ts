import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isBuildError } from '../core/index.ts';
import { expandHeredocBody, expandWord, expandWords } from './expand.ts';
import { naiveExpand } from './naive-expansion.test-support.ts';

const VALUES: Readonly<Record<string, string>> = {
  v: 'foobar.tar.gz',
  empty: '',
  s: 'a  b',
  P: '1 2/udp',
  é: 'accent',
};

function lookup(name: string): string | undefined {
  return Object.hasOwn(VALUES, name) ? VALUES[name] : undefined;
}

function expand(word: string, escapeChar: '\\' | '`' = '\\'): string {
  return expandWord(word, { lookup, escape: escapeChar }).text;
}

const FAILS = expect.objectContaining({ code: 'DOCKERFILE_EXPANSION' });

describe('expandWord()', () => {
  it.each([
    ['${v%.*}', 'foobar.tar'],
    ['${v%%.*}', 'foobar'],
    ['${v#*.}', 'tar.gz'],
    ['${v##*.}', 'gz'],
    ['${v/o/0}', 'f0obar.tar.gz'],
    ['${v//o/0}', 'f00bar.tar.gz'],
    ['${v//o}', undefined],
    ['${v/ba?/X}', 'fooX.tar.gz'],
    ['${v//*/x}', 'x'],
    ['${v/.*/}', 'foobar'],
    ['${v//o/$1}', 'fbar.tar.gz'],
  ])('changes a value by %s', (word, expected) => {
    if (expected === undefined) expect(() => expand(word)).toThrow(FAILS);
    else expect(expand(word)).toBe(expected);
  });
  it.each([
    ['${x:-d}', 'd'],
    ['${empty:-d}', 'd'],
    ['${empty-d}', ''],
    ['${v:+d}', 'd'],
    ['${empty:+d}', ''],
    ['${empty+d}', 'd'],
    ['${empty?m}', ''],
    ['${x:-${y:-${v}}}', 'foobar.tar.gz'],
    ['$x', ''],
    ['$é', 'accent'],
  ])('resolves %s', (word, expected) => {
    expect(expand(word)).toBe(expected);
  });
  it.each(['${}', '${:-x}', '${{a}}', '${a', '${a:-', '${v:#x}', '${v=x}', '${v#\\a}', "'a", '"a'])(
    'refuses %s',
    (word) => {
      expect(() => expand(word)).toThrow(FAILS);
    },
  );
  it('keeps a dollar sign that begins no variable', () => {
    expect(expand('a$')).toBe('a$');
    expect(expand('$.x')).toBe('$.x');
  });
  it('removes quotes and escapes as a shell does', () => {
    expect(expand('"\\$v"')).toBe('$v');
    expect(expand("'\\$v'")).toBe('\\$v');
    expect(expand('\\a')).toBe('a');
    expect(expand('"\\a"')).toBe('\\a');
    expect(expand('`$v', '`')).toBe('$v');
  });
  it('keeps blanks of a value in one word', () => {
    expect(expand('$s/x')).toBe('a  b/x');
  });
  it('fails with the message of :? and names the variable', () => {
    expect(() => expand('${x:?set it}')).toThrow('x is not set, and required: set it.');
    expect(() => expand('${x:?Set it!}')).toThrow(/required: Set it!$/);
    expect(() => expand('${empty:?}')).toThrow(/empty is empty/);
  });
  it('tells which variables were asked for', () => {
    const { used, unset } = expandWord('$v ${x:-$y} ${v:+$z}', { lookup, escape: '\\' });
    expect([...used]).toEqual(['v']);
    expect([...unset].sort()).toEqual(['x', 'y', 'z']);
  });
  it('refuses a result that grows without bound, and nesting without bound', () => {
    const big = 'x'.repeat(1_000_000);
    expect(() => expandWord('$a'.repeat(20), { lookup: () => big, escape: '\\' })).toThrow(FAILS);
    expect(() => expand('${a:-'.repeat(200_000))).toThrow(FAILS);
  });
  it('matches patterns in time that no pattern can blow up', () => {
    const value = 'a'.repeat(200_000);
    const start = performance.now();
    expandWord('${v//*a*a*a*b/x}${v##*a*a*b}${v%%b*a*a}', { lookup: () => value, escape: '\\' });
    expect(performance.now() - start).toBeLessThan(5000);
  });

  const piece = fc.oneof(
    fc.constantFrom(
      '$v',
      '${v}',
      '${x:-',
      '${v:+',
      '${v##',
      '${v%',
      '${v/',
      '}',
      '/',
      '*',
      '?',
      '.',
      "'",
      '"',
      '\\',
      '$',
      '{',
      ' ',
    ),
    fc.constantFrom('a', 'o', 'é', '😀', '<<', '\n', '${empty-', '${x?', '$1', '$$', ':', '#'),
  );
  const words = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''));

  it('agrees with a second implementation that is written for clearness alone', () => {
    fc.assert(
      fc.property(words, fc.constantFrom('\\' as const, '`' as const), (word, escapeChar) => {
        expect(outcome(() => expand(word, escapeChar))).toBe(
          outcome(() => naiveExpand(word, { lookup, escape: escapeChar })),
        );
      }),
      { numRuns: 6000 },
    );
  });
  it('ends in a value or an expansion error for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (word) => {
        expect(['value', 'error']).toContain(outcome(() => expand(word)).split(':')[0]);
      }),
      { numRuns: 3000 },
    );
  });
});

/** `value:…` or `error:`; anything else that is thrown is a bug. */
function outcome(run: () => string): string {
  try {
    return `value:${run()}`;
  } catch (error) {
    if (isBuildError(error, 'DOCKERFILE_EXPANSION')) return 'error:';
    throw error;
  }
}

describe('expandWords()', () => {
  it('splits the values of variables at blanks', () => {
    expect(expandWords('80 $P', { lookup, escape: '\\' }).words).toEqual(['80', '1', '2/udp']);
  });
  it('does not split what is quoted or escaped', () => {
    expect(expandWords('"$P" a\\ b', { lookup, escape: '\\' }).words).toEqual(['1 2/udp', 'a b']);
  });
  it('keeps text before a nested expansion in its word', () => {
    expect(expandWords('a${x:-y}b', { lookup, escape: '\\' }).words).toEqual(['ayb']);
  });
});

describe('expandHeredocBody()', () => {
  it('expands variables and escapes and leaves quotes alone', () => {
    expect(expandHeredocBody("\"${v}\" '$v' \\$v \\\\ it's\n", { lookup }).text).toBe(
      "\"foobar.tar.gz\" 'foobar.tar.gz' $v \\ it's\n",
    );
  });
});
