import type { LintRule, RuleFinding } from '../rule.ts';
import type { LintStage } from '../subject.ts';

const ABSOLUTE = /^(?:\/|\\|[A-Za-z]:[\\/])/;

export const workdirRelativePath: LintRule = {
  name: 'WorkdirRelativePath',
  summary: 'The first WORKDIR of a stage is absolute.',
  origin: 'reference',
  check: ({ active }) => active.filter(({ parent }) => !setsWorkdir(parent)).flatMap(checkFirst),
};

function checkFirst({ steps }: LintStage): readonly RuleFinding[] {
  const step = steps.find(({ instruction }) => instruction.kind === 'workdir');
  const [path] = step?.words[0]?.texts ?? [];
  if (step === undefined || path === undefined || ABSOLUTE.test(path)) return [];
  return [
    {
      message: `The directory "${path}" is relative to one that only the base image decides.`,
      hint: `Write it from the root, as in WORKDIR /${path}.`,
      range: step.words[0]!.range,
      instruction: step.instruction,
    },
  ];
}

function setsWorkdir(stage: LintStage | undefined): boolean {
  if (stage === undefined) return false;
  return stage.steps.some(({ instruction }) => instruction.kind === 'workdir') || setsWorkdir(stage.parent);
}
