import { rangeOfFlag } from '../../locate.ts';
import { namedMounts } from '../named-mounts.ts';
import type { LintRule } from '../rule.ts';

export const missingSecret: LintRule = {
  name: 'MissingSecret',
  summary: 'Each secret that a step mounts is given with the build.',
  origin: 'own',
  check: (subject) => {
    const { secrets } = subject.options;
    if (secrets === undefined) return [];
    return namedMounts(subject, 'secret')
      .filter(({ id }) => !secrets.includes(id))
      .map(({ id, required, instruction, nth }) => ({
        message: `The step mounts the secret "${id}", which is not given${required ? ' but required' : ': it gets nothing'}.`,
        hint: `Add --secret id=${id},src=<file> or --secret id=${id},env=<variable>.`,
        range: rangeOfFlag(instruction, 'mount', nth),
        instruction,
      }));
  },
};
