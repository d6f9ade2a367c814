import type { LintRule } from '../rule.ts';
import type { LintStage } from '../subject.ts';

export const jsonArgsRecommended: LintRule = {
  name: 'JSONArgsRecommended',
  summary: 'CMD and ENTRYPOINT take the JSON form, so that the program gets the signals.',
  origin: 'reference',
  check: ({ active }) =>
    active.flatMap((stage) => {
      let hasShell = setsShell(stage.parent);
      return stage.steps.flatMap(({ instruction }) => {
        if (instruction.kind === 'shell') hasShell = true;
        if (instruction.kind !== 'cmd' && instruction.kind !== 'entrypoint') return [];
        if (hasShell || instruction.form.kind === 'exec') return [];
        const keyword = instruction.kind.toUpperCase();
        return [
          {
            message: `${keyword} in the shell form runs under a shell that does not pass signals on.`,
            hint: `Write ${keyword} ["program", "argument"], or set SHELL where a shell is meant.`,
            instruction,
          },
        ];
      });
    }),
};

function setsShell(stage: LintStage | undefined): boolean {
  if (stage === undefined) return false;
  return stage.steps.some(({ instruction }) => instruction.kind === 'shell') || setsShell(stage.parent);
}
