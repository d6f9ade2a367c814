import { expect } from 'vitest';
import { compilePathPattern } from '../../src/core/index.ts';
import { createIgnoreMatcher, parseIgnoreFile, toIgnoreRules } from '../../src/dockerfile/index.ts';
import { type ConformanceCase, describeDataSet } from './data-set.ts';

interface IgnoreCase extends ConformanceCase {
  readonly patterns: readonly string[];
  readonly path: string;
  readonly expected: unknown;
  readonly modes: readonly string[];
  readonly error?: boolean;
  readonly observed?: {
    readonly modesThatDiffer?: Readonly<Record<string, boolean>>;
    readonly patterns?: ReadonlyArray<{ readonly exclusion: boolean; readonly pattern: string }>;
  };
  readonly expect?: { readonly count?: number; readonly exclusions?: boolean };
  readonly content: string | null;
  readonly pattern: string;
  readonly matchType: 'exact' | 'prefix' | 'suffix' | 'regexp';
  readonly regexp?: string;
}

/** The way in which the reference walks a build context, and so the only one that we have. */
const OUR_MODE = 'matchesUsingParentResults';

function checkMatch(testCase: IgnoreCase): void {
  const matches = (): boolean => createIgnoreMatcher(toIgnoreRules(testCase.patterns)).matches(testCase.path);
  if (testCase.error) {
    expect(matches).toThrow(expect.objectContaining({ code: 'IGNORE_FILE_SYNTAX' }));
    return;
  }
  const ofOurMode = testCase.observed?.modesThatDiffer?.[OUR_MODE];
  expect(matches()).toBe(ofOurMode ?? testCase.expected);
}

function checkPatterns(testCase: IgnoreCase): void {
  if (testCase.error) {
    expect(() => createIgnoreMatcher(toIgnoreRules(testCase.patterns))).toThrow();
    return;
  }
  const rules = toIgnoreRules(testCase.patterns);
  if (testCase.expect?.count !== undefined) expect(rules).toHaveLength(testCase.expect.count);
  if (testCase.expect?.exclusions !== undefined) {
    expect(rules.some(({ negated }) => negated)).toBe(testCase.expect.exclusions);
  }
  const found = rules.map(({ negated, pattern }) => ({ exclusion: negated, pattern }));
  if (testCase.observed?.patterns !== undefined) expect(found).toEqual(testCase.observed.patterns);
}

const NAMES = [
  '',
  'file',
  'xfile',
  'dir',
  'dir2',
  'ace',
  'aae',
  '.foo',
  'abcZdef',
  'abc.def',
  'a.txt',
  'file.txt',
  'filetxt',
  'b',
  'a',
];
const PATHS = NAMES.flatMap((first) =>
  NAMES.flatMap((second) => [first, `${first}/${second}`, `dir/${first}/${second}`]),
);

/** Upstream asserts the regular expression it builds; ours must match the same paths as that expression. */
function checkCompile({ pattern, matchType, regexp }: IgnoreCase): void {
  const { matches } = compilePathPattern(pattern, { deep: true });
  const tail = pattern.replace(/^\*\*\/?/, '');
  const reference: (path: string) => boolean = {
    exact: (path: string) => path === pattern,
    prefix: (path: string) => path.startsWith(pattern.slice(0, -2)),
    suffix: (path: string) =>
      path.endsWith(pattern.slice(2)) || (pattern.startsWith('**/') && path === pattern.slice(3)),
    regexp: (path: string) => new RegExp(regexp!, 's').test(path),
  }[matchType];
  for (const path of [...PATHS, pattern, tail, `dir/${tail}`]) {
    expect(`${path}: ${matches(path)}`).toBe(`${path}: ${reference(path)}`);
  }
}

function checkIgnoreFile({ content, expected }: IgnoreCase): void {
  const rules = parseIgnoreFile(content ?? '', { fileName: '.dockerignore' });
  expect(rules.map(({ negated, pattern }) => `${negated ? '!' : ''}${pattern}`)).toEqual(expected);
}

const CHECKS: Readonly<Record<string, (testCase: IgnoreCase) => void>> = {
  match: checkMatch,
  patterns: checkPatterns,
  compile: checkCompile,
  ignorefile: checkIgnoreFile,
};

describeDataSet<IgnoreCase>({
  name: 'ignore',
  counts: { match: 183, patterns: 6, compile: 21, ignorefile: 33 },
  check: (testCase) => CHECKS[testCase.kind]!(testCase),
});
