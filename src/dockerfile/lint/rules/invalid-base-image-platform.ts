import { formatPlatform, normalizePlatform } from '../../../core/index.ts';
import { rangeOfArgument } from '../../locate.ts';
import type { LintRule, RuleFinding } from '../rule.ts';
import type { LintStage } from '../subject.ts';
import type { LintOptions } from '../types.ts';

export const invalidBaseImagePlatform: LintRule = {
  name: 'InvalidBaseImagePlatform',
  summary: 'A base image is for the platform that the build is for.',
  origin: 'reference',
  check: ({ active, options }) => active.flatMap((stage) => checkStage(stage, options)),
};

function checkStage(
  { stage: { from }, image, parent }: LintStage,
  { platformOfImage }: LintOptions,
): readonly RuleFinding[] {
  if (image === undefined || image === 'scratch' || parent !== undefined) return [];
  const platforms = platformOfImage?.(image);
  if (platforms === undefined) return [];
  const actual = normalizePlatform(platforms.actual);
  const wanted = normalizePlatform(platforms.wanted);
  if (actual.os === wanted.os && actual.architecture === wanted.architecture) return [];
  return [
    {
      message: `The base image ${image} is for ${formatPlatform(actual)}, the build is for ${formatPlatform(wanted)}.`,
      hint: 'Choose an image that exists for the platform, or set --platform.',
      range: rangeOfArgument(from, 0),
      instruction: from,
    },
  ];
}
