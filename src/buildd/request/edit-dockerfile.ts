import type { Dockerfile, EnvInstruction, Instruction, RunInstruction, Stage } from '../../dockerfile/index.ts';

/** A mount that every RUN gets. */
export interface StepMount {
  /** Name of the named context that holds it. */
  readonly from: string;
  /** Path in that context. */
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
}

/**
 * Sets variables at the start of every stage, where buildah's `--env` sets them too: RUN steps see them, an ENV of the
 * Dockerfile wins, and the image has them.
 */
export function withEnvs(file: Dockerfile, envs: ReadonlyArray<readonly [name: string, value: string]>): Dockerfile {
  if (envs.length === 0) return file;
  const mark = file.directives.escape;
  return mapStages(file, (stage) => ({
    ...stage,
    instructions: [envInstruction(stage, envs, mark), ...stage.instructions],
  }));
}

/** Gives every RUN some mounts more. */
export function withMounts(file: Dockerfile, mounts: readonly StepMount[]): Dockerfile {
  if (mounts.length === 0) return file;
  const texts = mounts.map((mount) => mountText(mount, file.directives.escape));
  const add = (instruction: Instruction): Instruction =>
    instruction.kind === 'run' ? withMountTexts(instruction, texts) : instruction;
  return mapStages(file, (stage) => ({ ...stage, instructions: stage.instructions.map(add) }));
}

function mapStages(file: Dockerfile, change: (stage: Stage) => Stage): Dockerfile {
  return { ...file, stages: file.stages.map(change) };
}

function envInstruction(
  { from }: Stage,
  envs: ReadonlyArray<readonly [name: string, value: string]>,
  mark: string,
): EnvInstruction {
  const pairs = envs.map(([key, value]) => ({ key, value: quote(value, mark), legacy: false }));
  const text = `ENV ${pairs.map(({ key, value }) => `${key}=${value}`).join(' ')}`;
  // There is no place of its own: messages point at the stage.
  return { kind: 'env', pairs, text, range: from.range, words: from.words.slice(0, 1) };
}

/** A word that expansion leaves as it is: nothing is special in single quotes. */
function quote(value: string, mark: string): string {
  return `'${value.replaceAll("'", `'${mark}''`)}'`;
}

function mountText({ from, source, target, readonly }: StepMount, mark: string): string {
  const literal = (text: string): string =>
    text.replace(/["'$`\\]/g, (special) => (/["'$]/.test(special) || special === mark ? mark + special : special));
  const fields = ['type=bind', `from=${from}`, `source=${literal(source)}`, `target=${literal(target)}`];
  if (!readonly) fields.push('readwrite');
  return fields.map((field) => (/[",]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',');
}

function withMountTexts(run: RunInstruction, texts: readonly string[]): RunInstruction {
  // Behind those of the Dockerfile: their flags are found by number.
  return { ...run, mounts: [...run.mounts, ...texts] };
}
