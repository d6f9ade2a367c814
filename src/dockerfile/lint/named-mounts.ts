import { expandWord } from '../expand.ts';
import { parseMount } from '../parse-mount.ts';
import type { Mount, RunInstruction } from '../types.ts';
import type { LintSubject } from './subject.ts';

/** A mount with an id that a step has. */
export interface NamedMount {
  readonly id: string;
  /** False for caches. */
  readonly required: boolean;
  readonly instruction: RunInstruction;
  /** Which `--mount` of the instruction it is. */
  readonly nth: number;
}

/** All mounts of a kind; mounts that are wrong are left to the build. */
export function namedMounts(
  { active, dockerfile }: LintSubject,
  kind: 'secret' | 'ssh' | 'cache',
): readonly NamedMount[] {
  return active.flatMap(({ steps }) =>
    steps.flatMap(({ instruction, variables }) => {
      if (instruction.kind !== 'run') return [];
      const options = { lookup: (name: string) => variables.get(name), escape: dockerfile.directives.escape };
      return instruction.mounts.flatMap((text, nth): readonly NamedMount[] => {
        const mount = tryParse(text, (value) => expandWord(value, options).text);
        if (mount === undefined || mount.kind !== kind) return [];
        return [{ id: mount.id, required: 'required' in mount && mount.required, instruction, nth }];
      });
    }),
  );
}

function tryParse(text: string, expand: (value: string) => string): Extract<Mount, { id: string }> | undefined {
  try {
    const mount = parseMount(text, { expand });
    return 'id' in mount ? mount : undefined;
  } catch {
    return undefined;
  }
}
