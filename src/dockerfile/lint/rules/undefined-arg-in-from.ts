import { nearestWord } from '../../../core/index.ts';
import { rangeOfArgument, rangeOfFlag } from '../../locate.ts';
import type { FromInstruction } from '../../types.ts';
import type { LintRule, RuleFinding } from '../rule.ts';
import { type LintSubject, tryExpand } from '../subject.ts';

export const undefinedArgInFrom: LintRule = {
  name: 'UndefinedArgInFrom',
  summary: 'FROM uses arguments that are declared before the first FROM.',
  origin: 'reference',
  check: (subject) =>
    subject.dockerfile.stages.flatMap(({ from }) => {
      const names = new Set([...unsetIn(subject, from.platform), ...unsetIn(subject, from.image)]);
      return [...names]
        .filter((name) => !subject.declaredGlobals.has(name))
        .map((name) => toFinding(subject, from, name));
    }),
};

function unsetIn({ globals, dockerfile }: LintSubject, word: string | undefined): Iterable<string> {
  if (word === undefined) return [];
  return tryExpand(word, { lookup: (name) => globals.get(name), escape: dockerfile.directives.escape })?.unset ?? [];
}

function toFinding({ declaredGlobals }: LintSubject, from: FromInstruction, name: string): RuleFinding {
  const nearest = nearestWord(name, declaredGlobals);
  return {
    message: `FROM uses the argument "${name}", which is not declared before the first FROM.`,
    hint: nearest === undefined ? `Put ARG ${name} before the first FROM.` : `The nearest argument is ${nearest}.`,
    range: from.platform?.includes(name) ? rangeOfFlag(from, 'platform') : rangeOfArgument(from, 0),
    instruction: from,
  };
}
