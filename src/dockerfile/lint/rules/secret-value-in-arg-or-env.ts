import { rangeOfArgument } from '../../locate.ts';
import type { Instruction } from '../../types.ts';
import type { LintRule } from '../rule.ts';

// Only forms that issuers made recognisable: a guess by entropy would cry wolf.
const FORMS: ReadonlyArray<readonly [string, RegExp]> = [
  ['an AWS access key', /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/],
  ['a GitHub token', /\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b/],
  ['a GitLab token', /\bglpat-[A-Za-z0-9_-]{20,}\b/],
  ['an npm token', /\bnpm_[A-Za-z0-9]{36}\b/],
  ['a Slack token', /\bxox[abprs]-[A-Za-z0-9-]{10,}\b/],
  ['a Google API key', /\bAIza[0-9A-Za-z_-]{35}\b/],
  ['a private key', /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
  ['a password in a URL', /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@$]+:[^\s/:@$]+@/i],
];

export const secretValueInArgOrEnv: LintRule = {
  name: 'SecretValueInArgOrEnv',
  summary: 'No value of ARG or ENV is a secret that its form gives away.',
  origin: 'own',
  check: ({ active, dockerfile }) =>
    [...dockerfile.globalArgs, ...active.flatMap(({ stage }) => stage.instructions)].flatMap((instruction) =>
      valuesOf(instruction).flatMap(({ name, value }, i) => {
        const form = FORMS.find(([, pattern]) => pattern.test(value))?.[0];
        if (form === undefined) return [];
        return [
          {
            message: `The value of "${name}" looks like ${form}; it stays in the image for everyone to read.`,
            hint: 'Withdraw it, and pass the new one with RUN --mount=type=secret.',
            range: rangeOfArgument(instruction, i),
            instruction,
          },
        ];
      }),
    ),
};

function valuesOf(instruction: Instruction): ReadonlyArray<{ readonly name: string; readonly value: string }> {
  if (instruction.kind === 'arg') return instruction.args.map(({ name, value = '' }) => ({ name, value }));
  return instruction.kind === 'env' ? instruction.pairs.map(({ key, value }) => ({ name: key, value })) : [];
}
