import type { SourceRange } from '../../core/index.ts';
import { expandHeredocBody, expandWord, expandWords } from '../expand.ts';
import { rangeOfArgument } from '../locate.ts';
import type { ArgInstruction, Dockerfile, Instruction, Stage } from '../types.ts';
import { type ExpandableWord, expandableWords } from './expandable-words.ts';
import { neededStages } from './needed-stages.ts';
import type { LintOptions } from './types.ts';

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
  readonly variables: ReadonlyMap<string, string>;
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
  readonly variables: ReadonlyMap<string, string>;
  readonly declared: ReadonlySet<string>;
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
      given ?? (value === undefined ? undefined : tryExpand(value, { values, escape: directives.escape })?.text);
    if (expanded !== undefined) values.set(name, expanded);
  }
  return values;
}

interface ExpandContext {
  readonly values: ReadonlyMap<string, string>;
  readonly escape: '\\' | '`';
}

/** Undefined for a word that cannot be expanded: the build reports it, not a check. */
export function tryExpand(
  word: string,
  { values, escape: escapeChar }: ExpandContext,
): ReturnType<typeof expandWord> | undefined {
  try {
    return expandWord(word, { lookup: (name) => values.get(name), escape: escapeChar });
  } catch {
    return undefined;
  }
}

function followStage(context: StageContext, stage: Stage, earlier: readonly LintStage[]): LintStage {
  const { dockerfile, options, globals } = context;
  const image = tryExpand(stage.from.image, { values: globals, escape: dockerfile.directives.escape })?.text;
  const parent = earlier.findLast((one) => one.stage.name !== undefined && one.stage.name === image?.toLowerCase());
  const inherited = image === 'scratch' ? [] : image === undefined ? undefined : options.variablesOfImage?.(image);
  const first: Scope = parent?.end ?? {
    variables: new Map([['PATH', ''], ...(inherited ?? []).map((name) => [name, ''] as const)]),
    declared: new Set(),
  };
  const steps: LintStep[] = [];
  let scope = first;
  for (const instruction of stage.instructions) {
    const { words, next } = followStep(context, instruction, scope);
    steps.push({ instruction, words, variables: scope.variables });
    scope = next;
  }
  return {
    stage,
    ...(parent === undefined ? {} : { parent }),
    ...(image === undefined ? {} : { image }),
    variablesKnown: parent?.variablesKnown ?? inherited !== undefined,
    steps,
    end: scope,
  };
}

interface Followed {
  readonly words: readonly ExpandedSource[];
  readonly next: Scope;
}

function followStep(context: StageContext, instruction: Instruction, scope: Scope): Followed {
  if (instruction.kind === 'arg') return followArg(context, instruction, scope);
  const { escape: escapeChar } = context.dockerfile.directives;
  const words = expandableWords(instruction).map((word) => expandSource(word, scope, escapeChar));
  if (instruction.kind !== 'env') return { words, next: scope };
  const variables = new Map(scope.variables);
  for (const i of instruction.pairs.keys())
    variables.set(words[2 * i]!.texts[0] ?? '', words[2 * i + 1]!.texts[0] ?? '');
  return { words, next: { ...scope, variables } };
}

function followArg(
  { dockerfile, options, globals }: StageContext,
  instruction: ArgInstruction,
  scope: Scope,
): Followed {
  const variables = new Map(scope.variables);
  const declared = new Set(scope.declared);
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
      const expanded = expandSource(word, { variables, declared }, dockerfile.directives.escape);
      words.push(expanded);
      variables.set(name, expanded.texts[0] ?? '');
    } else if (globals.has(name)) variables.set(name, globals.get(name)!);
    declared.add(name);
  }
  return { words, next: { variables, declared } };
}

function expandSource(word: ExpandableWord, { variables, declared }: Scope, escapeChar: '\\' | '`'): ExpandedSource {
  const lookup = (name: string): string | undefined => variables.get(name);
  const { field, range } = word;
  try {
    const { texts, unset } = expandByKind(word, { lookup, escape: escapeChar });
    const undefinedNames = [...unset].filter((name) => !declared.has(name));
    return { field, range, texts, undefinedNames, isComplete: unset.size === 0 };
  } catch {
    return { field, range, texts: [], undefinedNames: [], isComplete: false };
  }
}

function expandByKind(
  { kind, text }: ExpandableWord,
  options: Parameters<typeof expandWord>[1],
): { readonly texts: readonly string[]; readonly unset: ReadonlySet<string> } {
  if (kind === 'words') {
    const { words, unset } = expandWords(text, options);
    return { texts: words, unset };
  }
  const expanded = kind === 'heredoc' ? expandHeredocBody(text, options) : expandWord(text, options);
  return { texts: [expanded.text], unset: expanded.unset };
}
