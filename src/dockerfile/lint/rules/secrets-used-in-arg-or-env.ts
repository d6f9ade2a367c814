import { rangeOfArgument } from '../../locate.ts';
import type { Instruction } from '../../types.ts';
import type { LintRule } from '../rule.ts';

const SECRET_WORDS: ReadonlySet<string> = new Set(
  'apikey auth credential credentials key password pword passwd secret token'.split(' '),
);
const HARMLESS_WORDS: ReadonlySet<string> = new Set(['public', 'file', 'version']);

export const secretsUsedInArgOrEnv: LintRule = {
  name: 'SecretsUsedInArgOrEnv',
  summary: 'Secrets are mounted, not passed as ARG or ENV.',
  origin: 'reference',
  check: ({ active }) =>
    active.flatMap(({ stage }) =>
      stage.instructions.flatMap((instruction) =>
        namesOf(instruction).flatMap((name, i) =>
          soundsSecret(name)
            ? [
                {
                  message: `${instruction.kind.toUpperCase()} "${name}" looks like a secret; its value stays in the image for everyone to read.`,
                  hint: `Use RUN --mount=type=secret,id=${name.toLowerCase()},env=${name} and --secret of the build.`,
                  range: rangeOfArgument(instruction, i),
                  instruction,
                },
              ]
            : [],
        ),
      ),
    ),
};

function namesOf(instruction: Instruction): readonly string[] {
  if (instruction.kind === 'arg') return instruction.args.map(({ name }) => name);
  return instruction.kind === 'env' ? instruction.pairs.map(({ key }) => key) : [];
}

function soundsSecret(name: string): boolean {
  const words = name.toLowerCase().split('_');
  return words.some((word) => SECRET_WORDS.has(word)) && !words.some((word) => HARMLESS_WORDS.has(word));
}
