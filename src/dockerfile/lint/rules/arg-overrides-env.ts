import { rangeOfArgument } from '../../locate.ts';
import type { ArgInstruction } from '../../types.ts';
import type { LintRule, RuleFinding } from '../rule.ts';
import type { LintStage, LintSubject } from '../subject.ts';

export const argOverridesEnv: LintRule = {
  name: 'ArgOverridesEnv',
  summary: 'No ARG takes the name of a variable that ENV has set above it.',
  origin: 'own',
  check: (subject) => subject.active.flatMap((stage) => checkStage(subject, stage)),
};

function checkStage(subject: LintSubject, stage: LintStage): readonly RuleFinding[] {
  const names = new Set(stage.parent === undefined ? imageNames(subject, stage) : envNames(subject, stage.parent));
  return stage.steps.flatMap(({ instruction }) => {
    if (instruction.kind === 'env') for (const { key } of instruction.pairs) names.add(key);
    return instruction.kind === 'arg' ? checkArg(subject, instruction, names) : [];
  });
}

function checkArg(
  { options: { buildArgs = {} }, globals }: LintSubject,
  instruction: ArgInstruction,
  names: ReadonlySet<string>,
): readonly RuleFinding[] {
  return instruction.args.flatMap(({ name, value }, nth): readonly RuleFinding[] => {
    const hasValue = value !== undefined || Object.hasOwn(buildArgs, name) || globals.has(name);
    if (!names.has(name) || !hasValue) return [];
    return [
      {
        message: `ARG ${name} hides the variable that ENV has set above: steps below see the argument, the image keeps the variable.`,
        hint: `Declare ARG ${name} above the ENV, and write ENV ${name}=$${name} where the image shall have it; or choose another name.`,
        range: rangeOfArgument(instruction, nth),
        instruction,
      },
    ];
  });
}

/** What ENV has set at the end of a stage. */
function envNames(subject: LintSubject, stage: LintStage): ReadonlySet<string> {
  const own = stage.steps.flatMap(({ instruction }) =>
    instruction.kind === 'env' ? instruction.pairs.map(({ key }) => key) : [],
  );
  return new Set([
    ...(stage.parent === undefined ? imageNames(subject, stage) : envNames(subject, stage.parent)),
    ...own,
  ]);
}

function imageNames({ options }: LintSubject, { image }: LintStage): readonly string[] {
  return image === undefined ? [] : (options.variablesOfImage?.(image) ?? []);
}
