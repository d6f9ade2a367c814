import { rangeOfArgument } from '../../locate.ts';
import type { FromInstruction } from '../../types.ts';
import type { LintRule } from '../rule.ts';

export const fromAsCasing: LintRule = {
  name: 'FromAsCasing',
  summary: 'AS is written in the same case as its FROM.',
  origin: 'reference',
  check: ({ dockerfile }) =>
    dockerfile.stages.flatMap(({ from }) => {
      const wanted = wantedAs(from);
      const written = from.words.filter(({ role }) => role === 'argument')[1]?.text;
      if (written === undefined || wanted === undefined || written === wanted) return [];
      return [
        {
          message: `"${written}" and "${from.words[0]!.text}" are written in different cases.`,
          hint: `Write ${wanted}.`,
          range: rangeOfArgument(from, 1),
          instruction: from,
        },
      ];
    }),
};

/** Undefined for a mixed FROM: another rule speaks of that. */
function wantedAs({ words }: FromInstruction): string | undefined {
  const keyword = words[0]!.text;
  if (keyword === keyword.toLowerCase()) return 'as';
  return keyword === keyword.toUpperCase() ? 'AS' : undefined;
}
