import { rangeOfArgument } from '../../locate.ts';
import type { LintRule } from '../rule.ts';

export const stageNameCasing: LintRule = {
  name: 'StageNameCasing',
  summary: 'Names of stages are written in lower case.',
  origin: 'reference',
  check: ({ dockerfile }) =>
    dockerfile.stages
      .filter(({ from }) => from.as !== undefined && from.as !== from.as.toLowerCase())
      .map(({ from }) => ({
        message: `The stage name "${from.as}" has capital letters, which do not count.`,
        hint: `Write ${from.as!.toLowerCase()}.`,
        range: rangeOfArgument(from, 2),
        instruction: from,
      })),
};
