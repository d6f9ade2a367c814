import type { LintRule } from '../rule.ts';

export const legacyKeyValueFormat: LintRule = {
  name: 'LegacyKeyValueFormat',
  summary: 'ENV and LABEL put an equals sign between name and value.',
  origin: 'reference',
  check: ({ active }) =>
    active.flatMap(({ stage }) =>
      stage.instructions.flatMap((instruction) => {
        if (instruction.kind !== 'env' && instruction.kind !== 'label') return [];
        const keyword = instruction.kind.toUpperCase();
        return instruction.pairs
          .filter(({ legacy }) => legacy)
          .map(({ key }) => ({
            message: `${keyword} with a blank between name and value is the old form.`,
            hint: `Write ${keyword} ${key}="…".`,
            instruction,
          }));
      }),
    ),
};
