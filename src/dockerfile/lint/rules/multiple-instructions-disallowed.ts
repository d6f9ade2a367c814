import type { Instruction } from '../../types.ts';
import type { LintRule } from '../rule.ts';

const KINDS: readonly Instruction['kind'][] = ['cmd', 'entrypoint', 'healthcheck'];

export const multipleInstructionsDisallowed: LintRule = {
  name: 'MultipleInstructionsDisallowed',
  summary: 'A stage has one CMD, one ENTRYPOINT and one HEALTHCHECK.',
  origin: 'reference',
  check: ({ active }) =>
    active.flatMap(({ stage: { instructions } }) =>
      KINDS.flatMap((kind) => {
        const overridden = instructions.filter((one) => one.kind === kind).slice(0, -1);
        return overridden.map((instruction) => ({
          message: `This ${kind.toUpperCase()} has no effect: another one follows in the same stage.`,
          hint: 'Remove one of them.',
          instruction,
        }));
      }),
    ),
};
