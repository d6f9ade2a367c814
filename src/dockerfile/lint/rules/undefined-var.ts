import { nearestWord } from '../../../core/index.ts';
import type { LintRule, RuleFinding } from '../rule.ts';
import type { LintStep } from '../subject.ts';

export const undefinedVar: LintRule = {
  name: 'UndefinedVar',
  summary: 'Variables are set before they are used.',
  origin: 'reference',
  check: ({ active }) =>
    active.filter(({ variablesKnown }) => variablesKnown).flatMap(({ steps }) => steps.flatMap(checkStep)),
};

/** A name counts once for an instruction. */
function checkStep({ instruction, words, variables }: LintStep): readonly RuleFinding[] {
  const seen = new Set<string>();
  return words.flatMap(({ undefinedNames, range }) =>
    undefinedNames
      .filter((name) => !seen.has(name) && seen.add(name))
      .map((name) => {
        const nearest = nearestWord(name, variables.names());
        return {
          message: `The variable $${name} is not set here, which makes it empty.`,
          hint:
            nearest === undefined
              ? `Declare it above with ARG ${name} or set it with ENV.`
              : `The nearest variable is $${nearest}.`,
          range,
          instruction,
        };
      }),
  );
}
