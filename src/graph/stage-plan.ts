import {
  BuildError,
  formatPlatform,
  nearestWord,
  type Platform,
  parsePlatform,
  type SourceLocation,
  withLocation,
} from '../core/index.ts';
import {
  type Dockerfile,
  type Instruction,
  parseInstruction,
  rangeOfArgument,
  rangeOfFlag,
  type Stage,
} from '../dockerfile/index.ts';
import { platformArgs } from './arguments.ts';
import { contextNamed, type FoundContext } from './find-context.ts';
import type { BaseLookup, BaseRequest, LowerOptions } from './lower-options.ts';
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

  const addImage = (request: BaseRequest): void => {
    if (!images.has(baseKey(request))) images.set(baseKey(request), request);
  };
  const visit = (stage: Stage): void => {
    if (planned.has(stage.index)) return;
    const { platform, base } = resolveFrom(dockerfile, { stage, options, globalArgs });
    if (base.kind === 'stage') visit(base.stage);
    if (base.kind === 'image') addImage(base.request);
    const triggers = triggersOf(dockerfile, { base, planned, lookup });
    const own = stage.instructions.map((instruction) => ({ instruction, source: dockerfile }));
    const instructions = [...triggers, ...own];
    for (const { name, location } of instructions.flatMap(namesUsed)) {
      const origin = originAt(location, () => resolveName(dockerfile, { name, stage, platform, options }));
      if (origin.kind === 'stage') visit(origin.stage);
      if (origin.kind === 'image') addImage({ ...origin.request, location });
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
  const names = dockerfile.stages.map(nameOf);
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
    const expander = createExpander(dockerfile, instruction, (name) => values.get(name));
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
  const expander = createExpander(dockerfile, from, (name) => globalArgs.get(name));
  const name = expander.word(from.image);
  if (name === '') {
    throw new BuildError('DOCKERFILE_INVALID', `The base image "${from.image}" is empty after expansion.`, {
      location: locationOf(dockerfile, rangeOfArgument(from, 0)),
      hint: 'Give the ARG a default before the first FROM, or pass it with --build-arg.',
    });
  }
  const platform = fromPlatform(dockerfile, { stage, text: expander.word(from.platform ?? ''), options });
  const location = locationOf(dockerfile, rangeOfArgument(from, 0));
  const context = contextNamed(options.contexts, name, platform);
  if (context !== undefined) {
    const base = originAt(location, () => originOfContext(dockerfile, { context, stage, platform }));
    return { platform, base: base.kind === 'image' ? { ...base, request: { ...base.request, location } } : base };
  }
  const earlierStages = dockerfile.stages.slice(0, stage.index);
  const earlier = earlierStages.findLast((other) => other.name === name.toLowerCase());
  if (earlier !== undefined) return { platform, base: { kind: 'stage', stage: earlier } };
  if (name.toLowerCase() === 'scratch') return { platform, base: { kind: 'scratch' } };
  const request = { reference: name, platform, location, ...nearestOf(earlierStages, name) };
  return { platform, base: { kind: 'image', request } };
}

/** Errors point at the place that names the origin. */
function originAt(location: SourceLocation, resolve: () => Origin): Origin {
  try {
    return resolve();
  } catch (error) {
    throw withLocation(error, location);
  }
}

/** The name of a stage that may have been meant by a name that is none. */
function nearestOf(stages: readonly Stage[], name: string): Pick<BaseRequest, 'nearestStage'> {
  const nearest = nearestWord(
    name.toLowerCase(),
    stages.flatMap((stage) => stage.name ?? []),
  );
  return nearest === undefined ? {} : { nearestStage: nearest };
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
        location: locationOf(dockerfile, rangeOfFlag(from, 'platform')),
        hint: 'A platform is os/arch or os/arch/variant, such as linux/arm64.',
      },
    );
  }
}

function originOfContext(
  dockerfile: Dockerfile,
  input: { readonly context: FoundContext; readonly stage: Stage; readonly platform: Platform },
): Origin {
  const { platform } = input;
  const { name, context } = input.context;
  if (context.kind === 'local') return { kind: 'local', name };
  if (context.kind === 'image') return { kind: 'image', request: { reference: context.reference, platform } };
  const stage = findStage(dockerfile.stages, context.stage);
  if (stage === undefined || stage.index >= input.stage.index) {
    throw new BuildError(
      'STAGE_NOT_FOUND',
      `The context "${name}" names the stage "${context.stage}", which does not come before its use.`,
      { hint: 'Give --build-context the name of a stage above, as in --build-context NAME=target:STAGE.' },
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
  const context = contextNamed(options.contexts, name, platform);
  if (context !== undefined) return originOfContext(dockerfile, { context, stage, platform });
  if (name.toLowerCase() === 'scratch') return { kind: 'scratch' };
  const above = dockerfile.stages.slice(0, stage.index);
  const earlier = findStage(above, name);
  if (earlier !== undefined) return { kind: 'stage', stage: earlier };
  const later = findStage(dockerfile.stages.slice(stage.index), name);
  if (later !== undefined || /^\d+$/.test(name)) {
    const what = later === stage ? 'the stage itself' : later === undefined ? 'no stage' : 'a later stage';
    throw new BuildError('STAGE_NOT_FOUND', `from=${name} names ${what}; files can be taken from stages above only.`, {
      hint: above.length === 0 ? 'There is no stage above.' : `The stages above are ${above.map(nameOf).join(', ')}.`,
    });
  }
  return { kind: 'image', request: { reference: name, platform: options.platform, ...nearestOf(above, name) } };
}

function nameOf(stage: Stage): string {
  return stage.name ?? String(stage.index);
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

interface UsedName {
  readonly name: string;
  readonly location: SourceLocation;
}

/** The names that `--from=` and mounts' `from=` use. Variables are not allowed there. */
function namesUsed({ instruction, source }: PlannedInstruction): readonly UsedName[] {
  const names: readonly UsedName[] =
    instruction.kind === 'copy' && instruction.from !== undefined
      ? [{ name: instruction.from, location: locationOf(source, rangeOfFlag(instruction, 'from')) }]
      : instruction.kind === 'run'
        ? instruction.mounts.flatMap((mount, nth) => {
            const name = mountFrom(mount);
            return name === undefined
              ? []
              : [{ name, location: locationOf(source, rangeOfFlag(instruction, 'mount', nth)) }];
          })
        : [];
  const variable = names.find(({ name }) => name.includes('$'));
  if (variable !== undefined) throw variableInName(variable);
  return names;
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

function variableInName({ name, location }: UsedName): BuildError {
  return new BuildError('DOCKERFILE_INVALID', `from=${name}: variables are not expanded in the name of a source.`, {
    location,
    hint: 'Name a stage that is built FROM the variable: FROM $IMAGE AS source.',
  });
}
