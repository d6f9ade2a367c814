import { expandWord } from '../expand.ts';
import { parseMount } from '../parse-mount.ts';
import type { Mount, RunInstruction } from '../types.ts';
import type { LintSubject } from './subject.ts';

/** A secret that a step mounts. */
export interface SecretMount {
  readonly id: string;
  readonly required: boolean;
  readonly instruction: RunInstruction;
  /** Which `--mount` of the instruction it is. */
  readonly nth: number;
}

/** All secret mounts; mounts that are wrong are left to the build. */
export function secretMounts({ active, dockerfile }: LintSubject): readonly SecretMount[] {
  return active.flatMap(({ steps }) =>
    steps.flatMap(({ instruction, variables }) => {
      if (instruction.kind !== 'run') return [];
      const options = { lookup: (name: string) => variables.get(name), escape: dockerfile.directives.escape };
      return instruction.mounts.flatMap((text, nth) => {
        const mount = tryParse(text, (value) => expandWord(value, options).text);
        return mount?.kind === 'secret' ? [{ id: mount.id, required: mount.required, instruction, nth }] : [];
      });
    }),
  );
}

function tryParse(text: string, expand: (value: string) => string): Mount | undefined {
  try {
    return parseMount(text, { expand });
  } catch {
    return undefined;
  }
}
