import type { LintRule } from '../rule.ts';

export const maintainerDeprecated: LintRule = {
  name: 'MaintainerDeprecated',
  summary: 'A label names the author, not MAINTAINER.',
  origin: 'reference',
  check: ({ dockerfile }) =>
    dockerfile.stages.flatMap(({ instructions }) =>
      instructions.flatMap((instruction) =>
        instruction.kind === 'maintainer'
          ? [
              {
                message: 'MAINTAINER is an old instruction.',
                hint: `Write LABEL org.opencontainers.image.authors="${instruction.name}".`,
                instruction,
              },
            ]
          : [],
      ),
    ),
};
