import { rangeOfFlag } from '../../locate.ts';
import type { LintRule } from '../rule.ts';
import { tryExpand } from '../subject.ts';

export const redundantTargetPlatform: LintRule = {
  name: 'RedundantTargetPlatform',
  summary: 'FROM does not ask for the target platform, which is the default.',
  origin: 'reference',
  check: ({ dockerfile, globals }) =>
    dockerfile.stages.flatMap(({ from }) => {
      if (from.platform === undefined) return [];
      const expanded = tryExpand(from.platform, {
        lookup: (name) => globals.get(name),
        escape: dockerfile.directives.escape,
      });
      const onlyTarget = expanded?.used.size === 1 && expanded.used.has('TARGETPLATFORM') && expanded.unset.size === 0;
      if (!onlyTarget || expanded.text !== globals.get('TARGETPLATFORM')) return [];
      return [
        {
          message: `--platform=${from.platform} asks for what is the default.`,
          hint: 'Remove the flag.',
          range: rangeOfFlag(from, 'platform'),
          instruction: from,
        },
      ];
    }),
};
