import { BuildError, nearestWord, type SourceLocation, type SourceRange } from '../core/index.ts';
import { type NamedMount, namedMounts } from './lint/named-mounts.ts';
import { createSubject, type LintSubject, tryExpand } from './lint/subject.ts';
import type { ArgInstruction, Dockerfile, FromInstruction, Stage } from './types.ts';

/** A stage that can be built, for `--call=targets`. */
export interface TargetInfo {
  /** Absent for a stage without name: it can be named by its index. */
  readonly name?: string;
  readonly index: number;
  /** The comment above FROM that begins with the stage's name, without the name. */
  readonly description?: string;
  /** As written. */
  readonly base: string;
  readonly platform?: string;
  /** Built when no target is asked for: the last stage. */
  readonly isDefault: boolean;
  readonly location: SourceLocation;
}

/** What can be given to a build of one target, for `--call=outline`. */
export interface Outline {
  readonly target: TargetInfo;
  readonly args: readonly OutlineArg[];
  readonly secrets: ReadonlyArray<{ readonly id: string; readonly required: boolean }>;
  readonly ssh: ReadonlyArray<{ readonly id: string; readonly required: boolean }>;
  /** Ids of cache mounts. */
  readonly caches: readonly string[];
}

export interface OutlineArg {
  readonly name: string;
  readonly description?: string;
  /** The value that the build would use, where there is one. */
  readonly value?: string;
  readonly location: SourceLocation;
}

export interface OutlineOptions {
  /** Name or index; default: the last stage. */
  readonly target?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
}

/** All stages in the order of the file. */
export function targetsOf(dockerfile: Dockerfile): readonly TargetInfo[] {
  return dockerfile.stages.map((stage) => toTarget(dockerfile, stage));
}

/**
 * Tells what a build of a target takes: the arguments that it reads (each once, first declaration first), secrets, ssh
 * agents and caches of the stages that it needs.
 *
 * @throws BuildError `STAGE_NOT_FOUND` for a target that the file does not have.
 */
export function outlineDockerfile(dockerfile: Dockerfile, { target, buildArgs = {} }: OutlineOptions = {}): Outline {
  const stage = findTarget(dockerfile, target);
  const subject = createSubject(dockerfile, { buildArgs, target: String(stage.index) });
  return {
    target: toTarget(dockerfile, stage),
    args: argsOf(subject),
    secrets: mergeMounts(namedMounts(subject, 'secret')),
    ssh: mergeMounts(namedMounts(subject, 'ssh')),
    caches: [...new Set(namedMounts(subject, 'cache').map(({ id }) => id))],
  };
}

function toTarget(dockerfile: Dockerfile, { from, index, name }: Stage): TargetInfo {
  const description = name === undefined ? undefined : descriptionOf(from, name);
  return {
    ...(name === undefined ? {} : { name }),
    index,
    ...(description === undefined ? {} : { description }),
    base: from.image,
    ...(from.platform === undefined ? {} : { platform: from.platform }),
    isDefault: index === dockerfile.stages.length - 1,
    location: locationIn(dockerfile, from.range),
  };
}

/** The comment line above an instruction that begins with a name, without the name. */
function descriptionOf({ docComment = [] }: ArgInstruction | FromInstruction, name: string): string | undefined {
  return docComment.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
}

function locationIn({ fileName, text }: Dockerfile, range: SourceRange): SourceLocation {
  return { fileName, text, range };
}

function findTarget({ stages }: Dockerfile, target: string | undefined): Stage {
  const found =
    target === undefined
      ? stages.at(-1)
      : (stages.findLast(({ name }) => name === target.toLowerCase()) ??
        stages.find(({ index }) => String(index) === target));
  if (found !== undefined) return found;
  const names = stages.flatMap(({ name }) => name ?? []);
  const nearest = nearestWord(target!, names);
  throw new BuildError('STAGE_NOT_FOUND', `There is no stage "${target}".`, {
    hint:
      nearest === undefined
        ? `The stages are ${names.join(', ') || 'without names'}.`
        : `The nearest stage is ${nearest}.`,
  });
}

function argsOf(subject: LintSubject): readonly OutlineArg[] {
  const { dockerfile, globals, active } = subject;
  const wanted = new Set([...namesInFrom(subject), ...active.flatMap(({ end }) => [...end.declared.names()])]);
  const declarations = [
    ...dockerfile.globalArgs.map((instruction) => ({ instruction, values: globals })),
    ...active.flatMap(({ stage, end }) =>
      stage.instructions.flatMap((instruction) =>
        instruction.kind === 'arg' ? [{ instruction, values: end.variables }] : [],
      ),
    ),
  ];
  const args = new Map<string, OutlineArg>();
  for (const { instruction, values } of declarations) {
    for (const { name } of instruction.args) {
      if (!wanted.has(name) || args.has(name)) continue;
      args.set(name, toOutlineArg(dockerfile, instruction, { name, value: values.get(name) }));
    }
  }
  return [...args.values()];
}

function toOutlineArg(
  dockerfile: Dockerfile,
  instruction: ArgInstruction,
  { name, value }: { readonly name: string; readonly value: string | undefined },
): OutlineArg {
  const description = descriptionOf(instruction, name);
  return {
    name,
    ...(description === undefined ? {} : { description }),
    ...(value === undefined ? {} : { value }),
    location: locationIn(dockerfile, instruction.range),
  };
}

/** The variables that the FROM lines of the target ask for. */
function namesInFrom({ dockerfile, globals, active }: LintSubject): readonly string[] {
  return active.flatMap(({ stage: { from } }) =>
    [from.image, from.platform ?? ''].flatMap((word) => {
      const expanded = tryExpand(word, { lookup: (name) => globals.get(name), escape: dockerfile.directives.escape });
      return expanded === undefined ? [] : [...expanded.used, ...expanded.unset];
    }),
  );
}

/** Each id once; required when one of its mounts requires it. */
function mergeMounts(mounts: readonly NamedMount[]): Outline['secrets'] {
  const merged = new Map<string, boolean>();
  for (const { id, required } of mounts) merged.set(id, (merged.get(id) ?? false) || required);
  return [...merged].map(([id, required]) => ({ id, required }));
}
