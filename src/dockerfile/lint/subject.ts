import type { SourceRange } from '../../core/index.ts';
import { type ExpandOptions, expandHeredocBody, expandWord, expandWords } from '../expand.ts';
import { rangeOfArgument } from '../locate.ts';
import type { ArgInstruction, Dockerfile, Instruction, Stage } from '../types.ts';
import { type ExpandableWord, expandableWords } from './expandable-words.ts';
import { neededStages } from './needed-stages.ts';
import type { LintOptions } from './types.ts';
import { createVariableLog, type VariableLog, type Variables } from './variables.ts';

/** What the rules look at: the Dockerfile with its variables followed through the stages. */
export interface LintSubject {
  readonly dockerfile: Dockerfile;
  readonly options: LintOptions;
  /** Values of the arguments before the first FROM and of the platform, with the request's build args. */
  readonly globals: ReadonlyMap<string, string>;
  /** The same as if no build args were given. */
  readonly defaults: ReadonlyMap<string, string>;
  /** Names that FROM may use, with a value or without. */
  readonly declaredGlobals: ReadonlySet<string>;
  readonly stages: readonly LintStage[];
  /** Those whose steps are looked at: all, or what the target needs. */
  readonly active: readonly LintStage[];
}

export interface LintStage {
  readonly stage: Stage;
  /** The earlier stage that it begins with. */
  readonly parent?: LintStage;
  /** The base as the build names it; undefined when it cannot be expanded. */
  readonly image?: string;
  /** False where an image's variables are not known: nothing can be said of a variable that the file does not set. */
  readonly variablesKnown: boolean;
  readonly steps: readonly LintStep[];
  readonly end: Scope;
}

export interface LintStep {
  readonly instruction: Instruction;
  readonly words: readonly ExpandedSource[];
  /** Variables with a value before this step. */
  readonly variables: Variables;
}

/** A word with what its expansion gave. */
export interface ExpandedSource {
  readonly field: ExpandableWord['field'];
  readonly range: SourceRange;
  /** Empty when it cannot be expanded. */
  readonly texts: readonly string[];
  /** Names without a value that are not declared by ARG either. */
  readonly undefinedNames: readonly string[];
  /** Whether any name had no value: `texts` then is not what a build with all arguments would see. */
  readonly isComplete: boolean;
}

interface Scope {
  readonly variables: Variables;
  readonly declared: Variables;
}

const DEFAULT_PLATFORM_ARGS: Readonly<Record<string, string>> = {
  TARGETPLATFORM: 'linux/amd64',
  TARGETOS: 'linux',
  TARGETOSVERSION: '',
  TARGETARCH: 'amd64',
  TARGETVARIANT: '',
  TARGETSTAGE: 'default',
  BUILDPLATFORM: 'linux/amd64',
  BUILDOS: 'linux',
  BUILDOSVERSION: '',
  BUILDARCH: 'amd64',
  BUILDVARIANT: '',
};

export function createSubject(dockerfile: Dockerfile, options: LintOptions): LintSubject {
  const globals = globalValues(dockerfile, options, options.buildArgs ?? {});
  const context = { dockerfile, options, globals };
  const stages: LintStage[] = [];
  for (const stage of dockerfile.stages) stages.push(followStage(context, stage, stages));
  const needed = neededStages(stages, options.target);
  return {
    ...context,
    defaults: globalValues(dockerfile, options, {}),
    declaredGlobals: new Set([
      ...globals.keys(),
      ...dockerfile.globalArgs.flatMap(({ args }) => args.map(({ name }) => name)),
    ]),
    stages,
    active: stages.filter((stage) => needed.has(stage)),
  };
}

type StageContext = Pick<LintSubject, 'dockerfile' | 'options' | 'globals'>;

function globalValues(
  { globalArgs, directives }: Dockerfile,
  options: LintOptions,
  buildArgs: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const values = new Map(Object.entries(options.platformArgs ?? DEFAULT_PLATFORM_ARGS));
  for (const [name, value] of Object.entries(buildArgs)) if (values.has(name)) values.set(name, value);
  for (const { name, value } of globalArgs.flatMap(({ args }) => args)) {
    const given = Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined;
    const expanded =
      given ??
      (value === undefined
        ? undefined
        : tryExpand(value, { lookup: (wanted) => values.get(wanted), escape: directives.escape })?.text);
    if (expanded !== undefined) values.set(name, expanded);
  }
  return values;
}

/** Undefined for a word that cannot be expanded: the build reports it, not a check. */
export function tryExpand(word: string, options: ExpandOptions): ReturnType<typeof expandWord> | undefined {
  try {
    return expandWord(word, options);
  } catch {
    return undefined;
  }
}

function followStage(context: StageContext, stage: Stage, earlier: readonly LintStage[]): LintStage {
  const { dockerfile, options, globals } = context;
  const image = tryExpand(stage.from.image, {
    lookup: (name) => globals.get(name),
    escape: dockerfile.directives.escape,
  })?.text;
  const parent = earlier.findLast((one) => one.stage.name !== undefined && one.stage.name === image?.toLowerCase());
  const inherited = image === 'scratch' ? [] : image === undefined ? undefined : options.variablesOfImage?.(image);
  const follower = createFollower(context, parent);
  if (parent === undefined) for (const name of ['PATH', ...(inherited ?? [])]) follower.variables.set(name, '');
  return {
    stage,
    ...(parent === undefined ? {} : { parent }),
    ...(image === undefined ? {} : { image }),
    variablesKnown: parent?.variablesKnown ?? inherited !== undefined,
    steps: stage.instructions.map((instruction) => followStep(follower, instruction)),
    end: scopeOf(follower),
  };
}

/** Walks down one stage and keeps its variables. */
interface Follower {
  readonly context: StageContext;
  readonly variables: VariableLog;
  /** Names that ARG declared, with a value or without. */
  readonly declared: VariableLog;
}

function createFollower(context: StageContext, parent: LintStage | undefined): Follower {
  return {
    context,
    variables: createVariableLog(parent?.end.variables),
    declared: createVariableLog(parent?.end.declared),
  };
}

function scopeOf({ variables, declared }: Follower): Scope {
  return { variables: variables.snapshot(), declared: declared.snapshot() };
}

function followStep(follower: Follower, instruction: Instruction): LintStep {
  const scope = scopeOf(follower);
  const { variables } = scope;
  if (instruction.kind === 'arg') return { instruction, words: followArg(follower, instruction), variables };
  const { escape: escapeChar } = follower.context.dockerfile.directives;
  const words = expandableWords(instruction).map((word) => expandSource(word, scope, escapeChar));
  if (instruction.kind === 'env') {
    for (const i of instruction.pairs.keys()) {
      follower.variables.set(words[2 * i]!.texts[0] ?? '', words[2 * i + 1]!.texts[0] ?? '');
    }
  }
  return { instruction, words, variables };
}

/** The arguments of one line see those before them. */
function followArg(follower: Follower, instruction: ArgInstruction): readonly ExpandedSource[] {
  const { context, variables, declared } = follower;
  const { dockerfile, options, globals } = context;
  const words: ExpandedSource[] = [];
  for (const [i, { name, value }] of instruction.args.entries()) {
    const given = Object.hasOwn(options.buildArgs ?? {}, name) ? options.buildArgs![name] : undefined;
    if (given !== undefined) variables.set(name, given);
    else if (value !== undefined) {
      const word: ExpandableWord = {
        field: 'other',
        text: value,
        kind: 'word',
        range: rangeOfArgument(instruction, i),
      };
      const expanded = expandSource(word, scopeOf(follower), dockerfile.directives.escape);
      words.push(expanded);
      variables.set(name, expanded.texts[0] ?? '');
    } else if (globals.has(name)) variables.set(name, globals.get(name)!);
    declared.set(name, '');
  }
  return words;
}

function expandSource(word: ExpandableWord, { variables, declared }: Scope, escapeChar: '\\' | '`'): ExpandedSource {
  const lookup = (name: string): string | undefined => variables.get(name);
  const { field, range } = word;
  try {
    const { texts, unset } = expandByKind(word, { lookup, escape: escapeChar });
    const undefinedNames = [...unset].filter((name) => declared.get(name) === undefined);
    return { field, range, texts, undefinedNames, isComplete: unset.size === 0 };
  } catch {
    return { field, range, texts: [], undefinedNames: [], isComplete: false };
  }
}

function expandByKind(
  { kind, text }: ExpandableWord,
  options: ExpandOptions,
): { readonly texts: readonly string[]; readonly unset: ReadonlySet<string> } {
  if (kind === 'words') {
    const { words, unset } = expandWords(text, options);
    return { texts: words, unset };
  }
  const expanded = kind === 'heredoc' ? expandHeredocBody(text, options) : expandWord(text, options);
  return { texts: [expanded.text], unset: expanded.unset };
}
