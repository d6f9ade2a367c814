import { type Platform, parsePlatform } from '../../../core/index.ts';
import { rangeOfFlag } from '../../locate.ts';
import type { LintRule } from '../rule.ts';

export const fromPlatformFlagConstDisallowed: LintRule = {
  name: 'FromPlatformFlagConstDisallowed',
  summary: 'FROM does not fix a platform, but for a stage whose name says so.',
  origin: 'reference',
  check: ({ dockerfile }) =>
    dockerfile.stages.flatMap(({ from, name = '' }) => {
      const platform = constantPlatform(from.platform);
      if (platform === undefined || name.includes(platform.os) || name.includes(platform.architecture)) return [];
      return [
        {
          message: `--platform=${from.platform} is fixed, so that the stage is the same for every target.`,
          hint: 'Leave the flag out, use $BUILDPLATFORM, or put the platform into the name of the stage.',
          range: rangeOfFlag(from, 'platform'),
          instruction: from,
        },
      ];
    }),
};

/** Undefined where a variable decides, and where it is no platform: the build reports that. */
function constantPlatform(text: string | undefined): Platform | undefined {
  if (text === undefined || text.includes('$')) return undefined;
  try {
    return parsePlatform(text, { os: 'linux', architecture: 'amd64' });
  } catch {
    return undefined;
  }
}
