import { nearestWord } from '../../../core/index.ts';
import { namedMounts } from '../named-mounts.ts';
import type { LintRule } from '../rule.ts';

/** Secrets that authenticate downloads are used without a mount. */
const IMPLICIT = /^(?:GIT|HTTP)_AUTH_(?:TOKEN|HEADER)(?:[._]|$)/;

export const unusedSecret: LintRule = {
  name: 'UnusedSecret',
  summary: 'Each secret that is given with the build is mounted by a step.',
  origin: 'own',
  check: (subject) => {
    const mounted = namedMounts(subject, 'secret').map(({ id }) => id);
    return (subject.options.secrets ?? [])
      .filter((id) => !mounted.includes(id) && !IMPLICIT.test(id))
      .map((id) => {
        const nearest = nearestWord(id, mounted);
        return {
          message: `The secret "${id}" is given, but no step mounts it.`,
          hint:
            nearest === undefined
              ? `Mount it with RUN --mount=type=secret,id=${id}, or leave it out.`
              : `The nearest secret is "${nearest}".`,
        };
      });
  },
};
