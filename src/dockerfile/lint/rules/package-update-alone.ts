import type { RunInstruction } from '../../types.ts';
import type { LintRule } from '../rule.ts';

const UPDATE = /\b(apt-get|apt|aptitude)(?:\s+-\S+)*\s+update\b/;
const USE =
  /\b(?:apt-get|apt|aptitude)(?:\s+-\S+)*\s+(?:install|upgrade|dist-upgrade|full-upgrade|build-dep|download|source)\b/;

export const packageUpdateAlone: LintRule = {
  name: 'PackageUpdateAlone',
  summary: 'The package lists are fetched in the step that installs from them.',
  origin: 'own',
  check: ({ active }) =>
    active.flatMap(({ stage }) =>
      stage.instructions.flatMap((instruction) => {
        if (instruction.kind !== 'run') return [];
        const script = scriptOf(instruction);
        const manager = UPDATE.exec(script)?.[1];
        if (manager === undefined || USE.test(script)) return [];
        return [
          {
            message: `"${manager} update" stands alone in a step: once cached, later installs use old package lists.`,
            hint: `Write it with the install: RUN ${manager} update && ${manager} install -y <packages>.`,
            instruction,
          },
        ];
      }),
    ),
};

function scriptOf({ form, heredocs }: RunInstruction): string {
  const command = form.kind === 'shell' ? form.script : form.args.join(' ');
  return [command, ...heredocs.map(({ body }) => body)].join('\n');
}
