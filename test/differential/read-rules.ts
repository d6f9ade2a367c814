import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How many rules there are. */
export const RULE_COUNT = 212;

/** A rule by its number, and what holds it beside the cases of the corpus. */
export interface Rule {
  readonly number: number;
  readonly title: string;
  /** Tests elsewhere in the project. */
  readonly tests: readonly RuleTest[];
  /** Why nothing can show the rule. */
  readonly unseen?: string;
}

export interface RuleTest {
  /** From the project's root. */
  readonly file: string;
  readonly title: string;
}

/** Reads `rules.txt`, whose first lines tell its form. */
export function readRules(): readonly Rule[] {
  const lines = readFileSync(join(import.meta.dirname, 'rules.txt'), 'utf8').split('\n');
  const rules: Rule[] = [];
  for (const line of lines.filter((each) => each !== '' && !each.startsWith('#'))) {
    if (line.startsWith('  ')) rules.push(withLine(rules.pop(), line.trim()));
    else rules.push(parseTitle(line));
  }
  return rules;
}

function parseTitle(line: string): Rule {
  const [number = '', ...words] = line.split(' ');
  return { number: Number(number), title: words.join(' '), tests: [] };
}

function withLine(rule: Rule | undefined, line: string): Rule {
  const colon = line.indexOf(': ');
  if (rule === undefined || colon < 0) throw new Error(`rules.txt: "${line}" is neither a test nor a reason.`);
  const [before, after] = [line.slice(0, colon), line.slice(colon + 2)];
  if (before === 'unseen') return { ...rule, unseen: after };
  return { ...rule, tests: [...rule.tests, { file: before, title: after }] };
}
