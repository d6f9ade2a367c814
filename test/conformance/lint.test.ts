import { expect } from 'vitest';
import { parsePlatform } from '../../src/core/index.ts';
import {
  createIgnoreMatcher,
  LINT_RULES,
  type LintFinding,
  type LintOptions,
  lintDockerfile,
  parseDockerfile,
  parseIgnoreFile,
} from '../../src/dockerfile/index.ts';
import { type ConformanceCase, describeDataSet } from './data-set.ts';

interface ExpectedWarning {
  readonly rule: string;
  readonly detail: string;
  readonly line: number;
}

interface LintCase extends ConformanceCase {
  readonly dockerfile: string;
  readonly expectedWarnings: readonly ExpectedWarning[];
  readonly expectedCheckWarnings?: readonly ExpectedWarning[];
  readonly expectError?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly contextFiles?: Readonly<Record<string, string>>;
  readonly platform?: string;
  readonly setup?: { readonly platform: string };
  readonly rule: string;
  readonly fires: boolean;
  readonly observed?: { readonly warnings?: ReadonlyArray<{ readonly detail: string; readonly line: number }> };
}

const HOST = { os: 'linux', architecture: 'amd64' };
const BASE = 'registry.test/base:1';

/** What the reference learns of the images that its cases stand on. */
function optionsOf({ buildArgs, contextFiles, setup, platform }: LintCase): LintOptions {
  const ignoreText = contextFiles?.['.dockerignore'];
  return {
    variablesOfImage: (image) => (image === 'python' ? ['PATH', 'PYTHON_VERSION'] : ['PATH']),
    ...(buildArgs === undefined ? {} : { buildArgs }),
    ...(ignoreText === undefined
      ? {}
      : { ignore: createIgnoreMatcher(parseIgnoreFile(ignoreText, { fileName: '.dockerignore' })) }),
    ...(setup === undefined
      ? {}
      : {
          platformOfImage: () => ({
            actual: parsePlatform(setup.platform, HOST),
            wanted: parsePlatform(platform!, HOST),
          }),
        }),
  };
}

/** Rule and line; of a blank line inside an instruction the reference names the instruction's last line. */
function places(findings: readonly LintFinding[]): readonly string[] {
  return findings
    .filter(({ severity }) => severity === 'warning')
    .map(({ rule, location }) => {
      const { start, end } = location!.range;
      return `${rule} ${rule === 'NoEmptyContinuation' ? end.line : start.line}`;
    })
    .sort();
}

function checkSuggestions(
  findings: readonly LintFinding[],
  expected: ReadonlyArray<{ readonly detail: string }>,
): void {
  const hints = findings.map(({ hint }) => hint ?? '').join('\n');
  for (const { detail } of expected) {
    const nearest = /did you mean (\S+)\?/.exec(detail)?.[1];
    if (nearest !== undefined) expect(hints).toContain(nearest);
  }
}

function checkMode(testCase: LintCase, expected: readonly ExpectedWarning[], target: string | undefined): void {
  const dockerfile = parseDockerfile(testCase.dockerfile.replace('{{BASE}}', BASE), { fileName: 'Dockerfile' });
  const options = { ...optionsOf(testCase), ...(target === undefined ? {} : { target }) };
  const { findings, violations } = lintDockerfile(dockerfile, options);
  expect(places(findings)).toEqual(expected.map(({ rule, line }) => `${rule} ${line}`).sort());
  checkSuggestions(findings, expected);
  const rules = /lint violation found for rules: (.*)/.exec(testCase.expectError ?? '')?.[1];
  expect(violations.join(', ')).toBe(rules ?? '');
}

/** A build looks at the stages that the last one needs, a check at all of them. */
function checkCase(testCase: LintCase): void {
  const last = parseDockerfile(testCase.dockerfile, { fileName: 'Dockerfile' }).stages.length - 1;
  checkMode(testCase, testCase.expectedWarnings, String(last));
  checkMode(testCase, testCase.expectedCheckWarnings ?? testCase.expectedWarnings, undefined);
}

function checkExample(testCase: LintCase): void {
  const dockerfile = parseDockerfile(testCase.dockerfile, { fileName: 'Dockerfile' });
  const { findings } = lintDockerfile(dockerfile, optionsOf(testCase));
  const found = findings.filter(({ rule }) => rule === testCase.rule);
  expect(found.length > 0).toBe(testCase.fires);
  const observed = testCase.fires ? testCase.observed?.warnings : undefined;
  if (observed === undefined) return;
  expect(places(found)).toEqual(observed.map(({ line }) => `${testCase.rule} ${line}`).sort());
  checkSuggestions(found, observed);
}

describeDataSet<LintCase>({
  name: 'lint',
  counts: { check: 88, 'doc-example': 57 },
  check: (testCase) => {
    if (testCase.kind === 'check') checkCase(testCase);
    else {
      expect(LINT_RULES.map(({ name }) => name)).toContain(testCase.rule);
      checkExample(testCase);
    }
  },
});
