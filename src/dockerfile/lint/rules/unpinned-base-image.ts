import { parseReference } from '../../../core/index.ts';
import { rangeOfArgument } from '../../locate.ts';
import type { LintRule, RuleFinding } from '../rule.ts';
import type { LintStage } from '../subject.ts';

export const unpinnedBaseImage: LintRule = {
  name: 'UnpinnedBaseImage',
  summary: 'A base image has a tag other than latest, or a digest.',
  origin: 'own',
  check: ({ active, options: { isContext } }) =>
    active.filter(({ image }) => image === undefined || isContext?.(image) !== true).flatMap(checkStage),
};

function checkStage({ stage: { from }, image, parent }: LintStage): readonly RuleFinding[] {
  if (image === undefined || image === 'scratch' || parent !== undefined || !floats(image)) return [];
  return [
    {
      message: `The base image ${image} changes without notice: no version is named.`,
      hint: 'Name a version (and a digest, for a build that can be repeated), as in debian:12.5@sha256:….',
      range: rangeOfArgument(from, 0),
      instruction: from,
    },
  ];
}

function floats(image: string): boolean {
  try {
    const { tag, digest } = parseReference(image);
    return digest === undefined && tag === 'latest';
  } catch {
    return false;
  }
}
