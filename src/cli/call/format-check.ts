import type { CheckResult } from '../../backends/index.ts';
import type { LintFinding } from '../../dockerfile/index.ts';
import { formatExcerpt } from '../report/format-excerpt.ts';
import { sanitizeText } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';
import { placeDocument, placeOf } from './place-document.ts';

/** Findings for people: each with its rule, its place in the file, what to do, and where to read on. */
export function formatCheck({ findings, error }: CheckResult, style: Style): string {
  if (findings.length === 0) return error === undefined ? 'Check complete, nothing found.\n' : '';
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  const advice = findings.length - warnings;
  const counts = [
    ...countOf(warnings, 'warning', 'warnings'),
    ...countOf(advice, 'piece of advice', 'pieces of advice'),
  ];
  return [
    ...findings.flatMap((finding) => findingLines(finding, style)),
    `Check complete: ${counts.join(', ')}.`,
    '',
  ].join('\n');
}

function countOf(count: number, one: string, many: string): readonly string[] {
  return count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];
}

function findingLines(finding: LintFinding, style: Style): readonly string[] {
  const { rule, message, hint, page, severity, location } = finding;
  const paint = severity === 'warning' ? style.yellow : style.cyan;
  return [
    `${paint(severity)}: ${sanitizeText(message)} [${rule}]`,
    ...(location === undefined ? [] : formatExcerpt(location, style)),
    ...(hint === undefined ? [] : [`${style.dim('hint:')} ${sanitizeText(hint)}`]),
    style.dim(`See ${page}`),
    '',
  ];
}

/** The same as a document; `ruleName`, `description` and `detail` are docker's names. */
export function checkDocument({ findings, violations, error }: CheckResult): unknown {
  return {
    warnings: findings.map(({ rule, message, hint, page, severity, location, related }) => ({
      ruleName: rule,
      severity,
      description: message,
      ...(hint === undefined ? {} : { detail: hint }),
      page,
      ...placeDocument(location),
      ...(related === undefined ? {} : { related: placeOf(related) }),
    })),
    violations,
    ...(error === undefined
      ? {}
      : { error: { code: error.code, message: error.message, hint: error.hint, ...placeDocument(error.location) } }),
  };
}
