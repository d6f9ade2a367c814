import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { casesOf, formatCoverage } from './format-coverage.ts';
import { readCases } from './read-case.ts';
import { RULE_COUNT, type RuleTest, readRules } from './read-rules.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const RULES = readRules();
const CASES = readCases();

describe('coverage of the rules', () => {
  it('knows every rule once, in order', () => {
    expect(RULES.map(({ number }) => number)).toEqual(Array.from({ length: RULE_COUNT }, (_, index) => index + 1));
    expect(RULES.filter(({ title }) => title === '')).toEqual([]);
  });

  it('has a case, a test or a reason for every rule', () => {
    const bare = RULES.filter((rule) => casesOf(rule, CASES).length + rule.tests.length === 0 && !rule.unseen);
    expect(bare.map(({ number }) => number)).toEqual([]);
  });

  it('gives no reason where something can be seen', () => {
    const seen = RULES.filter((rule) => rule.unseen && casesOf(rule, CASES).length + rule.tests.length > 0);
    expect(seen.map(({ number }) => number)).toEqual([]);
  });

  it('names tests that there are', () => {
    expect(RULES.flatMap(({ tests }) => tests).filter((test) => !isThere(test))).toEqual([]);
  });

  it('names rules that there are in the cases', () => {
    expect(CASES.flatMap(({ rules }) => rules).filter((rule) => rule > RULE_COUNT)).toEqual([]);
  });

  it('is what coverage.md says', async () => {
    await expect(formatCoverage(RULES, CASES)).toMatchFileSnapshot('coverage.md');
  });
});

/** Whether the file has a test of that title: the title stands in it in quotes. */
function isThere({ file, title }: RuleTest): boolean {
  const path = join(PROJECT, file);
  if (!existsSync(path)) return false;
  const text = readFileSync(path, 'utf8');
  return ["'", '"', '`'].some((quote) => text.includes(`${quote}${title}${quote}`));
}
