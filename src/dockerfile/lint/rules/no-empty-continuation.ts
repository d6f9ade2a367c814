import type { LintRule } from '../rule.ts';

export const noEmptyContinuation: LintRule = {
  name: 'NoEmptyContinuation',
  summary: 'No blank line stands inside a continued instruction.',
  origin: 'reference',
  check: ({ dockerfile }) =>
    dockerfile.warnings
      .filter(({ rule }) => rule === 'NoEmptyContinuation')
      .map(({ message, range }) => ({ message, hint: 'Remove the blank line, or put a # into it.', range })),
};
