import type { DifferentialCase } from './differential-case.ts';
import type { Rule } from './read-rules.ts';

/** The table of `coverage.md`: each rule with the cases and tests that hold it. */
export function formatCoverage(rules: readonly Rule[], cases: readonly DifferentialCase[]): string {
  const rows = rules.map((rule) => [
    String(rule.number),
    rule.title,
    casesOf(rule, cases)
      .map(({ id }) => `\`${id}\``)
      .join(', '),
    [...rule.tests.map(({ file, title }) => `\`${file}\`: ${escapeCell(title)}`), ...notSeen(rule)].join('<br>'),
  ]);
  const head = [
    ['rule', 'about', 'cases', 'tests elsewhere'],
    ['---', '---', '---', '---'],
  ];
  return `${INTRODUCTION}\n${[...head, ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')}`;
}

/** The cases that name a rule. */
export function casesOf({ number }: Rule, cases: readonly DifferentialCase[]): readonly DifferentialCase[] {
  return cases.filter(({ rules }) => rules.includes(number));
}

const INTRODUCTION = `# What holds each rule

Written by \`npx vitest run test/differential -u\` from the cases and \`rules.txt\`; a test fails when it is not up to date.
`;

function notSeen({ unseen }: Rule): readonly string[] {
  return unseen === undefined ? [] : [`not visible: ${unseen}`];
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|');
}
