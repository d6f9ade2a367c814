import type { ArgInstruction, FromInstruction } from '../../types.ts';
import { isCheckComment } from '../check-options.ts';
import type { LintRule, RuleFinding } from '../rule.ts';

export const invalidDefinitionDescription: LintRule = {
  name: 'InvalidDefinitionDescription',
  summary: 'A comment right above an ARG or a named stage describes it, beginning with its name.',
  origin: 'reference',
  experimental: true,
  check: ({ dockerfile }) => [
    ...dockerfile.globalArgs.flatMap(checkArg),
    ...dockerfile.stages.flatMap(({ from, instructions }) => [
      ...(from.as === undefined ? [] : checkComment(from, [from.as.toLowerCase()])),
      ...instructions.flatMap((instruction) => (instruction.kind === 'arg' ? checkArg(instruction) : [])),
    ]),
  ],
};

function checkArg(instruction: ArgInstruction): readonly RuleFinding[] {
  return checkComment(
    instruction,
    instruction.args.map(({ name }) => name),
  );
}

function checkComment(instruction: ArgInstruction | FromInstruction, names: readonly string[]): readonly RuleFinding[] {
  const comment = (instruction.docComment ?? []).filter((line) => !isCheckComment(line)).at(-1);
  if (comment === undefined || names.includes(comment.split(' ')[0]!)) return [];
  return [
    {
      message: `The comment above ${instruction.kind.toUpperCase()} does not begin with the name that it describes.`,
      hint: `Write # ${names.length === 1 ? names[0] : '<name>'} <description>, or put a blank line below the comment.`,
      instruction,
    },
  ];
}
