import { rangeOfArgument } from '../../locate.ts';
import type { LintRule } from '../rule.ts';

const RESERVED: readonly string[] = ['scratch', 'context'];

export const reservedStageName: LintRule = {
  name: 'ReservedStageName',
  summary: 'No stage is called scratch or context.',
  origin: 'reference',
  check: ({ dockerfile }) =>
    dockerfile.stages
      .filter(({ name }) => name !== undefined && RESERVED.includes(name))
      .map(({ name, from }) => ({
        message: `The stage name "${name}" has a meaning of its own.`,
        hint: 'Give the stage another name.',
        range: rangeOfArgument(from, 2),
        instruction: from,
      })),
};
