import { expect } from 'vitest';
import { type ExpansionMode, type ExpansionResult, lexExpansion } from '../../src/dockerfile/expansion-lexer.ts';
import { expandWord, expandWords } from '../../src/dockerfile/index.ts';
import { parseShellPattern, trimPrefix, trimSuffix } from '../../src/dockerfile/shell-pattern.ts';
import { type ConformanceCase, describeDataSet } from './data-set.ts';

interface ExpandCase extends ConformanceCase {
  readonly platform?: 'all' | 'unix' | 'windows';
  readonly input: string;
  readonly escapeToken: '\\' | '`';
  readonly env: Readonly<Record<string, string>>;
  readonly expected: unknown;
  readonly error?: boolean;
  readonly errorContains?: string;
  readonly matched?: readonly string[];
  readonly unmatched?: readonly string[];
  readonly rawQuotes?: boolean;
  readonly skipUnsetEnv?: boolean;
  readonly envList?: readonly string[];
  readonly name?: string;
  readonly pattern?: string;
  readonly expectedRegex?: string;
}

/** Variable names ignore case on Windows; the caller's lookup decides that. */
function lookupOf({ env, platform }: ExpandCase): (name: string) => string | undefined {
  if (platform !== 'windows') return (name) => (Object.hasOwn(env, name) ? env[name] : undefined);
  const lower = new Map(Object.entries(env).map(([name, value]) => [name.toLowerCase(), value]));
  return (name) => lower.get(name.toLowerCase());
}

function checkResult(testCase: ExpandCase, expand: () => unknown): void {
  if (testCase.error || testCase.errorContains !== undefined) {
    expect(expand).toThrow(expect.objectContaining({ code: 'DOCKERFILE_EXPANSION' }));
  } else {
    expect(expand()).toEqual(testCase.expected);
  }
}

function rawResult(testCase: ExpandCase): ExpansionResult {
  const mode: ExpansionMode = {
    escape: testCase.escapeToken,
    lookup: lookupOf(testCase),
    quotes: true,
    keepQuotes: testCase.rawQuotes ?? false,
    keepEscapes: false,
    keepUnset: testCase.skipUnsetEnv ?? false,
  };
  return lexExpansion(testCase.input, mode);
}

const CHECKS: Readonly<Record<string, (testCase: ExpandCase) => void>> = {
  word: (c) => checkResult(c, () => expandWord(c.input, { escape: c.escapeToken, lookup: lookupOf(c) }).text),
  words: (c) => checkResult(c, () => expandWords(c.input, { escape: c.escapeToken, lookup: lookupOf(c) }).words),
  'words-raw': (c) => checkResult(c, () => rawResult(c).words),
  matches: (c) => {
    const expand = () => expandWord(c.input, { escape: c.escapeToken, lookup: lookupOf(c) });
    checkResult(c, () => expand().text);
    if (c.error) return;
    expect([...expand().used].sort()).toEqual([...(c.matched ?? [])].sort());
    expect([...expand().unset].sort()).toEqual([...(c.unmatched ?? [])].sort());
  },
  'get-env': (c) => {
    const variables = new Map(c.envList!.map((entry) => [entry.split('=')[0]!, entry.split('=')[1] ?? '']));
    expect(expandWord(`$${c.name}`, { escape: '\\', lookup: (name) => variables.get(name) }).text).toBe(c.expected);
  },
  'pattern-regex': (c) => {
    if (c.error) {
      expect(() => parseShellPattern(c.pattern!)).toThrow(expect.objectContaining({ code: 'DOCKERFILE_EXPANSION' }));
      return;
    }
    const pattern = parseShellPattern(c.pattern!);
    for (const sample of ['', 'x', '*', 'ab', '(()[]{}^$.*?|\\', '(()[]{}^$.*?|\\tail']) {
      const match = new RegExp(c.expectedRegex!).exec(sample);
      expect(trimPrefix(sample, pattern, true)).toBe(sample.slice(match?.[0].length ?? 0));
    }
  },
  'reverse-string': (c) => {
    // The suffix that two wildcards take is the prefix that they take of the reversed text.
    const pattern = parseShellPattern('??');
    expect(trimSuffix(c.input, pattern, true)).toBe(Array.from(c.input).slice(0, -2).join(''));
    expect(trimPrefix(c.expected as string, pattern, true)).toBe(
      Array.from(c.expected as string)
        .slice(2)
        .join(''),
    );
  },
  'reverse-pattern': (c) => {
    // Upstream reverses a pattern's text to find suffixes; ours must find what the text itself describes.
    const literal = c.input.replace(/\\(.)/gsu, '$1').replace(/\\$/, '');
    if (!/^(?:\\[*?\\]|[^\\])*$/u.test(c.input)) {
      expect(() => parseShellPattern(c.input)).toThrow(expect.objectContaining({ code: 'DOCKERFILE_EXPANSION' }));
    } else {
      expect(trimSuffix(`head${literal}`, parseShellPattern(c.input), false)).toBe('head');
    }
  },
};

describeDataSet<ExpandCase>({
  name: 'shell-expand',
  counts: {
    word: 283,
    words: 24,
    'words-raw': 24,
    matches: 47,
    'get-env': 7,
    'pattern-regex': 7,
    'reverse-string': 2,
    'reverse-pattern': 5,
  },
  check: (testCase) => CHECKS[testCase.kind]!(testCase),
});
