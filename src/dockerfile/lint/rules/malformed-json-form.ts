import { rangeOfArgument } from '../../locate.ts';
import type { Instruction } from '../../types.ts';
import type { LintRule, RuleFinding } from '../rule.ts';

/** A bracket with a quote right behind it, or with a quoted word and a comma: no test command of a shell looks like that. */
const MEANT_AS_JSON = /^\[(?:["'“‘]|\s+["'“‘][^"'”’]*["'”’]\s*,)/;

export const malformedJsonForm: LintRule = {
  name: 'MalformedJsonForm',
  summary: 'What looks like the JSON form is valid JSON.',
  origin: 'own',
  check: ({ active }) =>
    active.flatMap(({ steps }) => steps.flatMap(({ instruction }) => checkInstruction(instruction))),
};

function checkInstruction(instruction: Instruction): readonly RuleFinding[] {
  const [first] = instruction.words.filter(({ role }) => role === 'argument');
  if (
    first === undefined ||
    !mayBeJson(instruction) ||
    !MEANT_AS_JSON.test(instruction.text.slice(textStart(instruction)))
  ) {
    return [];
  }
  return [
    {
      message: `${instruction.kind.toUpperCase()} looks like the JSON form, but is not valid JSON: it is taken as plain text.`,
      hint: 'Put every word in double quotes, with commas between them: ["program", "argument"].',
      range: rangeOfArgument(instruction, 0),
      instruction,
    },
  ];
}

/** Instructions that have both forms, where this one is not JSON. */
function mayBeJson(instruction: Instruction): boolean {
  switch (instruction.kind) {
    case 'run':
    case 'cmd':
    case 'entrypoint':
    case 'healthcheck':
      return instruction.form?.kind === 'shell';
    case 'copy':
    case 'add':
    case 'volume':
      return instruction.words.some(({ role, text }) => role === 'argument' && text.startsWith('['));
    default:
      return false;
  }
}

/** Where the arguments begin in the instruction's text: behind the keyword, flags, and the CMD of a HEALTHCHECK. */
function textStart({ text, words }: Instruction): number {
  const first = words.find(({ role }) => role === 'argument')?.text ?? '';
  const at = text.indexOf(first, (words[0]?.text ?? '').length);
  const behind = /^CMD\s+/i.exec(text.slice(at))?.[0].length ?? 0;
  return Math.max(0, at) + (text.slice(at).startsWith('[') ? 0 : behind);
}
