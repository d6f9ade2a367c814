import { parseReference } from '../../../core/index.ts';
import { rangeOfArgument } from '../../locate.ts';
import type { LintRule } from '../rule.ts';
import { tryExpand } from '../subject.ts';

export const invalidDefaultArgInFrom: LintRule = {
  name: 'InvalidDefaultArgInFrom',
  summary: 'FROM names an image when no build argument is given, too.',
  origin: 'reference',
  check: ({ dockerfile, defaults, stages }) =>
    stages
      .filter(({ parent }) => parent === undefined)
      .map(({ stage }) => stage.from)
      .filter(
        ({ image }) =>
          !isReference(
            tryExpand(image, { lookup: (name) => defaults.get(name), escape: dockerfile.directives.escape })?.text,
          ),
      )
      .map((from) => ({
        message: `Without build arguments, "${from.image}" is not the name of an image.`,
        hint: 'Give the ARG a default, or write ${NAME:-default}.',
        range: rangeOfArgument(from, 0),
        instruction: from,
      })),
};

/** What cannot be expanded is reported by the build. */
function isReference(text: string | undefined): boolean {
  if (text === undefined) return true;
  try {
    return parseReference(text).repository !== '';
  } catch {
    return false;
  }
}
