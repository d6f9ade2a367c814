import { type Platform, platformOfHost, type SourceLocation } from '../../core/index.ts';
import { expandWord, type Instruction, rangeOfFlag } from '../../dockerfile/index.ts';
import { planStages, type StagePlan } from '../../graph/index.ts';
import { lowerOptions } from '../request/lower-request.ts';
import { forPlatform, platformsOf } from '../request/request-platforms.ts';
import type { LoadedRequest } from '../types.ts';
import type { Feature } from './features.ts';
import { featuresOfInstruction } from './instruction-needs.ts';
import { featuresOfOptions } from './option-needs.ts';

/** Something that a request asks of its backend. */
export interface Need {
  readonly feature: Feature;
  /** The words of the Dockerfile that ask for it; undefined where an option does. */
  readonly location?: SourceLocation;
}

/**
 * What a request asks of its backend, by its options and by the instructions of the stages that its target needs: of every
 * feature the first use. What the triggers of base images ask for is not known before those are resolved.
 *
 * @throws BuildError what planning the stages throws: `STAGE_NOT_FOUND`, `DOCKERFILE_INVALID`, `DOCKERFILE_EXPANSION`.
 */
export function needsOf(loaded: LoadedRequest, purpose: 'build' | 'plan' = 'build'): readonly Need[] {
  const host = platformOfHost(process.platform, process.arch);
  const needs = new Map<Feature, Need>();
  const add = (need: Need): void => {
    if (!needs.has(need.feature)) needs.set(need.feature, need);
  };
  if (purpose === 'plan') add({ feature: 'plan' });
  for (const feature of featuresOfOptions(loaded.request, host)) add({ feature });
  for (const platform of platformsOf(loaded.request)) {
    for (const need of needsOfStages(forPlatform(loaded, platform), host)) add(need);
  }
  return [...needs.values()];
}

type Variables = ReadonlyMap<string, string>;

function needsOfStages(loaded: LoadedRequest, host: Platform): readonly Need[] {
  const { dockerfile, request } = loaded;
  const plan = planStages(dockerfile, lowerOptions(loaded), () => undefined);
  const ends = new Map<number, Variables>();
  return plan.stages.flatMap(({ stage, base, platform, instructions }) => {
    const variables = new Map(base.kind === 'stage' ? ends.get(base.stage.index) : []);
    ends.set(stage.index, variables);
    const needs: Need[] = [];
    if (stage.from.platform !== undefined && platform.architecture !== host.architecture) {
      const { fileName, text } = dockerfile;
      const range = rangeOfFlag(stage.from, 'platform');
      needs.push({ feature: 'foreign-platform', location: { fileName, text, range } });
    }
    for (const { instruction, source } of instructions) {
      const { fileName, text, directives } = source;
      const expand = createExpand(variables, directives.escape);
      const uses = featuresOfInstruction(instruction, expand);
      needs.push(...uses.map(({ feature, range }) => ({ feature, location: { fileName, text, range } })));
      declare(variables, instruction, { expand, plan, buildArgs: request.buildArgs ?? {} });
    }
    return needs;
  });
}

/** Unknown variables, such as those of a base image, become nothing; what cannot be expanded stays as it is. */
function createExpand(variables: Variables, escapeCharacter: '\\' | '`'): (word: string) => string {
  return (word) => {
    if (!word.includes('$')) return word;
    try {
      return expandWord(word, { lookup: (name) => variables.get(name), escape: escapeCharacter }).text;
    } catch {
      return word;
    }
  };
}

interface Declaring {
  readonly expand: (word: string) => string;
  readonly plan: StagePlan;
  readonly buildArgs: Readonly<Record<string, string>>;
}

/** Keeps what ARG and ENV set, so that a flag or a URL that comes from a variable is seen for what it is. */
function declare(variables: Map<string, string>, instruction: Instruction, declaring: Declaring): void {
  const { expand, plan, buildArgs } = declaring;
  if (instruction.kind === 'env') {
    for (const { key, value } of instruction.pairs) variables.set(key, expand(value));
  }
  if (instruction.kind !== 'arg') return;
  for (const { name, value } of instruction.args) {
    const given = buildArgs[name] ?? (value === undefined ? plan.globalArgs.get(name) : expand(value));
    if (given !== undefined) variables.set(name, given);
  }
}
