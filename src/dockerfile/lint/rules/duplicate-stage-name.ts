import { rangeOfArgument } from '../../locate.ts';
import type { LintRule } from '../rule.ts';

export const duplicateStageName: LintRule = {
  name: 'DuplicateStageName',
  summary: 'Each stage has a name of its own.',
  origin: 'reference',
  check: ({ dockerfile: { stages } }) =>
    stages
      .filter(({ name, index }) => name !== undefined && stages.findIndex((other) => other.name === name) < index)
      .map(({ name, from }) => ({
        message: `A stage before this one is called "${name}" too; from here on the name means this one.`,
        hint: 'Give one of them another name.',
        range: rangeOfArgument(from, 2),
        instruction: from,
      })),
};
