import { BuildError, formatPlatform, type Platform, parsePlatform } from '../core/index.ts';
import { type Dockerfile, type Instruction, parseInstruction, type Stage } from '../dockerfile/index.ts';
import { platformArgs } from './arguments.ts';
import type { BaseLookup, BaseRequest, LowerOptions, NamedContext } from './lower-options.ts';
import { createExpander, locationOf, type SourceText } from './scope.ts';

/** What a name after `FROM`, `--from=` or `from=` stands for. */
export type Origin =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly stage: Stage }
  | { readonly kind: 'local'; readonly name: string }
  | { readonly kind: 'image'; readonly request: BaseRequest };

/** A stage that will be built, with everything its names stand for. */
export interface PlannedStage {
  readonly stage: Stage;
  readonly platform: Platform;
  readonly base: Origin;
  /** Triggers of the base (none while it is not resolved), then the stage's own instructions. */
  readonly instructions: readonly PlannedInstruction[];
}

/** An instruction with the text that its range points into. */
export interface PlannedInstruction {
  readonly instruction: Instruction;
  readonly source: SourceText;
}

/** The stages that the target needs, each after the ones it uses, and the images that are still to be resolved. */
export interface StagePlan {
  readonly stages: readonly PlannedStage[];
  readonly target: Stage;
  /** Images of all planned stages, resolved or not, without duplicates. */
  readonly images: readonly BaseRequest[];
  readonly globalArgs: ReadonlyMap<string, string>;
}

/** One text per distinct `BaseRequest`. */
export function baseKey(request: BaseRequest): string {
  return `${formatPlatform(request.platform)} ${request.reference}`;
}

/**
 * Decides which stages are built. Call it again as images get resolved, until `images` names none that `lookup` lacks:
 * ONBUILD triggers of a base may need further stages and images.
 *
 * @throws BuildError `STAGE_NOT_FOUND`, `DOCKERFILE_INVALID`, `DOCKERFILE_EXPANSION`, each with its place.
 */
export function planStages(dockerfile: Dockerfile, options: LowerOptions, lookup: BaseLookup): StagePlan {
  const target = findTarget(dockerfile, options.target);
  const globalArgs = globalArgsOf(dockerfile, options, target);
  const planned = new Map<number, PlannedStage>();
  const images = new Map<string, BaseRequest>();

  const visit = (stage: Stage): void => {
    if (planned.has(stage.index)) return;
    const { platform, base } = resolveFrom(dockerfile, { stage, options, globalArgs });
    if (base.kind === 'stage') visit(base.stage);
    if (base.kind === 'image') images.set(baseKey(base.request), base.request);
    const triggers = triggersOf(dockerfile, { base, planned, lookup });
    const own = stage.instructions.map((instruction) => ({ instruction, source: dockerfile }));
    const instructions = [...triggers, ...own];
    for (const name of instructions.flatMap(namesUsed)) {
      const origin = resolveName(dockerfile, { name, stage, platform, options });
      if (origin.kind === 'stage') visit(origin.stage);
      if (origin.kind === 'image') images.set(baseKey(origin.request), origin.request);
    }
    planned.set(stage.index, { stage, platform, base, instructions });
  };
  visit(target);
  return { stages: [...planned.values()], target, images: [...images.values()], globalArgs };
}

function findTarget(dockerfile: Dockerfile, name: string | undefined): Stage {
  if (name === undefined || name === '') return dockerfile.stages.at(-1)!;
  const found = findStage(dockerfile.stages, name);
  if (found !== undefined) return found;
  const names = dockerfile.stages.map((stage) => stage.name ?? String(stage.index));
  throw new BuildError('STAGE_NOT_FOUND', `There is no stage "${name}" in ${dockerfile.fileName}.`, {
    hint: `Its stages are ${names.join(', ')}.`,
  });
}

/** A stage by name (a later one of the same name wins) or by number. */
function findStage(stages: readonly Stage[], name: string): Stage | undefined {
  const wanted = name.toLowerCase();
  return (
    stages.findLast((stage) => stage.name === wanted) ??
    (/^\d+$/.test(name) ? stages.find((stage) => stage.index === Number(name)) : undefined)
  );
}

function globalArgsOf(dockerfile: Dockerfile, options: LowerOptions, target: Stage): ReadonlyMap<string, string> {
  const targetName = target.name ?? (target.index === dockerfile.stages.length - 1 ? 'default' : String(target.index));
  const automatic = platformArgs(options.platform, options.hostPlatform, targetName);
  const values = new Map<string, string>(
    Object.entries(automatic).map(([name, value]) => [name, options.buildArgs[name] ?? value]),
  );
  for (const instruction of dockerfile.globalArgs) {
    const expander = createExpander(dockerfile, instruction.range, (name) => values.get(name));
    for (const arg of instruction.args) {
      const given = options.buildArgs[arg.name];
      const value = given ?? (arg.value === undefined ? undefined : expander.word(arg.value));
      if (value !== undefined) values.set(arg.name, value);
    }
  }
  return values;
}

interface FromInput {
  readonly stage: Stage;
  readonly options: LowerOptions;
  readonly globalArgs: ReadonlyMap<string, string>;
}

function resolveFrom(dockerfile: Dockerfile, input: FromInput): { platform: Platform; base: Origin } {
  const { stage, options, globalArgs } = input;
  const { from } = stage;
  const expander = createExpander(dockerfile, from.range, (name) => globalArgs.get(name));
  const name = expander.word(from.image);
  if (name === '') {
    throw new BuildError('DOCKERFILE_INVALID', `The base image "${from.image}" is empty after expansion.`, {
      location: locationOf(dockerfile, from.range),
      hint: 'Give the ARG a default before the first FROM, or pass it with --build-arg.',
    });
  }
  const platform = fromPlatform(dockerfile, { stage, text: expander.word(from.platform ?? ''), options });
  const context = contextNamed(options.contexts, name);
  if (context !== undefined) return { platform, base: originOfContext(dockerfile, { context, name, stage, platform }) };
  const earlier = dockerfile.stages.slice(0, stage.index).findLast((other) => other.name === name.toLowerCase());
  if (earlier !== undefined) return { platform, base: { kind: 'stage', stage: earlier } };
  if (name.toLowerCase() === 'scratch') return { platform, base: { kind: 'scratch' } };
  return { platform, base: { kind: 'image', request: { reference: name, platform } } };
}

function fromPlatform(
  dockerfile: Dockerfile,
  input: { readonly stage: Stage; readonly text: string; readonly options: LowerOptions },
): Platform {
  const { from } = input.stage;
  if (from.platform === undefined) return input.options.platform;
  try {
    return parsePlatform(input.text, input.options.hostPlatform);
  } catch {
    throw new BuildError(
      'DOCKERFILE_INVALID',
      `--platform=${from.platform} expands to "${input.text}", which is no platform.`,
      {
        location: locationOf(dockerfile, from.range),
        hint: 'A platform is os/arch or os/arch/variant, such as linux/arm64.',
      },
    );
  }
}

function contextNamed(contexts: ReadonlyMap<string, NamedContext>, name: string): NamedContext | undefined {
  return contexts.get(name) ?? contexts.get(name.toLowerCase()) ?? contexts.get(name.replace(/:latest$/, ''));
}

function originOfContext(
  dockerfile: Dockerfile,
  input: { readonly context: NamedContext; readonly name: string; readonly stage: Stage; readonly platform: Platform },
): Origin {
  const { context, name, platform } = input;
  if (context.kind === 'local') return { kind: 'local', name };
  if (context.kind === 'image') return { kind: 'image', request: { reference: context.reference, platform } };
  const stage = findStage(dockerfile.stages, context.stage);
  if (stage === undefined || stage.index >= input.stage.index) {
    throw new BuildError(
      'STAGE_NOT_FOUND',
      `The context "${name}" names the stage "${context.stage}", which does not come before its use.`,
    );
  }
  return { kind: 'stage', stage };
}

/** What `--from=NAME` means in a stage: a named context, an earlier stage by name or number, or an image. */
export function resolveName(
  dockerfile: Dockerfile,
  input: { readonly name: string; readonly stage: Stage; readonly platform: Platform; readonly options: LowerOptions },
): Origin {
  const { name, stage, platform, options } = input;
  const context = contextNamed(options.contexts, name);
  if (context !== undefined) return originOfContext(dockerfile, { context, name, stage, platform });
  if (name.toLowerCase() === 'scratch') return { kind: 'scratch' };
  const earlier = findStage(dockerfile.stages.slice(0, stage.index), name);
  if (earlier !== undefined) return { kind: 'stage', stage: earlier };
  const later = findStage(dockerfile.stages.slice(stage.index), name);
  if (later !== undefined || /^\d+$/.test(name)) {
    const what = later === stage ? 'the stage itself' : later === undefined ? 'no stage' : 'a later stage';
    throw new BuildError('STAGE_NOT_FOUND', `--from=${name} names ${what}; only stages above can be copied from.`, {
      location: locationOf(dockerfile, stage.from.range),
    });
  }
  return { kind: 'image', request: { reference: name, platform: options.platform } };
}

interface TriggerInput {
  readonly base: Origin;
  readonly planned: ReadonlyMap<number, PlannedStage>;
  readonly lookup: BaseLookup;
}

/** ONBUILD triggers that fire in a stage: of the base image, or those that the parent stage declares. */
function triggersOf(dockerfile: Dockerfile, input: TriggerInput): readonly PlannedInstruction[] {
  const { base } = input;
  const { directives } = dockerfile;
  if (base.kind === 'image') {
    const texts = input.lookup(base.request)?.config.config?.OnBuild ?? [];
    return texts.map((text) => triggerFrom({ fileName: `ONBUILD of ${base.request.reference}`, text, directives }));
  }
  if (base.kind !== 'stage') return [];
  const parent = input.planned.get(base.stage.index)?.stage.instructions ?? [];
  return parent.flatMap((instruction) =>
    instruction.kind === 'onbuild'
      ? [triggerFrom({ fileName: `ONBUILD in ${dockerfile.fileName}`, text: instruction.trigger, directives })]
      : [],
  );
}

function triggerFrom(source: SourceText): PlannedInstruction {
  const options = { fileName: source.fileName, escape: source.directives.escape };
  return { instruction: parseInstruction(source.text, options), source };
}

/** The names that `--from=` and mounts' `from=` use. Variables are not allowed there. */
function namesUsed(planned: PlannedInstruction): readonly string[] {
  const { instruction } = planned;
  const names =
    instruction.kind === 'copy'
      ? [instruction.from]
      : instruction.kind === 'run'
        ? instruction.mounts.map(mountFrom)
        : [];
  return names.flatMap((name) => {
    if (name === undefined) return [];
    if (name.includes('$')) throw variableInName(planned, name);
    return [name];
  });
}

/** The `from=` of a mount, before its variables are expanded. */
function mountFrom(text: string): string | undefined {
  if (!text.includes('from')) return undefined;
  const field = text.split(',').find((part) => /^"?from=/i.test(part.trim()));
  return field === undefined
    ? undefined
    : field
        .trim()
        .replace(/^"?from=/i, '')
        .replace(/"$/, '');
}

function variableInName(planned: PlannedInstruction, name: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', `from=${name}: variables are not expanded in the name of a source.`, {
    location: locationOf(planned.source, planned.instruction.range),
    hint: 'Name a stage that is built FROM the variable: FROM $IMAGE AS source.',
  });
}
