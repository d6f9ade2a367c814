import { BuildError, formatPlatform } from '../core/index.ts';
import type { Dockerfile, Instruction } from '../dockerfile/index.ts';
import { isPredefinedArg } from './arguments.ts';
import { createGraphBuilder, type GraphBuilder } from './build-graph.ts';
import { lowerCopy } from './lower-copy.ts';
import { lowerMetadata } from './lower-metadata.ts';
import type { BaseLookup, LowerOptions } from './lower-options.ts';
import { lowerRun } from './lower-run.ts';
import type { Graph, VertexDescription, VertexId } from './ops.ts';
import { createExpander } from './scope.ts';
import { type Origin, type PlannedInstruction, type PlannedStage, resolveName, type StagePlan } from './stage-plan.ts';
import {
  absolute,
  type StageState,
  scratchConfig,
  startStage,
  stateOfBase,
  withConfig,
  withHistory,
} from './stage-state.ts';
import { describeStep, type StepInput, stageLabel } from './step-input.ts';

/** What a Dockerfile comes to: a graph, and how the image is put together from its results. */
export interface Lowered {
  readonly graph: Graph;
  /** The target's root file system. */
  readonly target: VertexId;
  /** The target's config, history and platform. */
  readonly state: StageState;
  /** The stages that the target stands on, nearest first, as far as their instructions go. */
  readonly ancestors: readonly StageEnd[];
  /** Build args that nothing declares. */
  readonly unusedBuildArgs: readonly string[];
}

/** The end of a stage in the history of one that stands on it. */
export interface StageEnd {
  readonly name: string | undefined;
  readonly index: number;
  /** Entries of the history until there, those of the base included. */
  readonly historyLength: number;
}

/** The vertex name of the build context among `LocalOp`s; a named context is `context:NAME`. */
export const CONTEXT_NAME = 'context';

/** How a named local context is called in a `LocalOp`. */
export function localName(name: string): string {
  return `${CONTEXT_NAME}:${name}`;
}

/**
 * Lowers the planned stages to a graph. Pure: `lookup` must know every image that `plan.images` names.
 *
 * @throws BuildError `DOCKERFILE_INVALID`, `DOCKERFILE_EXPANSION`, `STAGE_NOT_FOUND`, each with its place.
 */
export function lower(
  dockerfile: Dockerfile,
  plan: StagePlan,
  input: { options: LowerOptions; lookup: BaseLookup },
): Lowered {
  const lowering: Lowering = { ...input, dockerfile, plan, builder: createGraphBuilder(), states: new Map() };
  for (const planned of plan.stages) lowering.states.set(planned.stage.index, lowerStage(lowering, planned));
  const last = lowering.states.get(plan.target.index)!;
  const labels = input.options.labels;
  const state =
    Object.keys(labels).length === 0 ? last : withConfig(last, { Labels: { ...last.config.Labels, ...labels } });
  return {
    graph: lowering.builder.build([state.root]),
    target: state.root,
    state,
    ancestors: ancestorsOf(lowering),
    unusedBuildArgs: unusedBuildArgs(dockerfile, plan, input.options),
  };
}

function ancestorsOf({ plan, states }: Lowering): readonly StageEnd[] {
  const planned = new Map(plan.stages.map((each) => [each.stage.index, each]));
  const ends: StageEnd[] = [];
  for (let base = planned.get(plan.target.index)?.base; base?.kind === 'stage'; ) {
    const { name, index } = base.stage;
    ends.push({ name, index, historyLength: states.get(index)!.history.length });
    base = planned.get(index)?.base;
  }
  return ends;
}

interface Lowering {
  readonly dockerfile: Dockerfile;
  readonly plan: StagePlan;
  readonly options: LowerOptions;
  readonly lookup: BaseLookup;
  readonly builder: GraphBuilder;
  /** By stage index; grows as stages are lowered. */
  readonly states: Map<number, StageState>;
}

function lowerStage(lowering: Lowering, planned: PlannedStage): StageState {
  const total = 1 + planned.instructions.filter(makesVertex).length;
  const first = startState(lowering, planned, `1/${total}`);
  let number = 1;
  return planned.instructions.reduce((state, instruction) => {
    if (makesVertex(instruction)) number += 1;
    return lowerInstruction(lowering, planned, { instruction, state, position: `${number}/${total}` });
  }, first);
}

function makesVertex({ instruction }: PlannedInstruction): boolean {
  return ['run', 'copy', 'add', 'workdir'].includes(instruction.kind);
}

function startState(lowering: Lowering, planned: PlannedStage, position: string): StageState {
  const { base, platform } = planned;
  switch (base.kind) {
    case 'stage':
      return startStage({ ...lowering.states.get(base.stage.index)!, platform });
    case 'scratch':
    case 'image': {
      const root = originVertex(lowering, { origin: base, planned, position });
      const config = base.kind === 'image' ? lowering.lookup(base.request)!.config : scratchConfig(platform);
      return stateOfBase({ root, platform, base: config });
    }
    case 'local': {
      const scratch = originVertex(lowering, { origin: { kind: 'scratch' }, planned, position });
      const local = originVertex(lowering, { origin: base, planned, position });
      const info = describeSource(lowering, { planned, position }, `FROM ${base.name}`);
      const source = {
        kind: 'input',
        input: 1,
        path: '/',
        unpack: 'never',
        ownerless: true,
        mustMatch: false,
      } as const;
      const op = { kind: 'copy', base: 0, sources: [source], destination: '/', parents: false, exclude: [] } as const;
      const root = lowering.builder.add(op, [scratch, local], info);
      const state = stateOfBase({ root: scratch, platform, base: scratchConfig(platform) });
      return withHistory(state, `FROM ${base.name}`, root);
    }
  }
}

interface SourcePlace {
  readonly planned: PlannedStage;
  readonly position: string;
}

interface OriginInput extends SourcePlace {
  readonly origin: Origin;
}

/** The vertex of a source. */
function originVertex(lowering: Lowering, { origin, planned, position }: OriginInput): VertexId {
  const { builder } = lowering;
  switch (origin.kind) {
    case 'stage':
      return lowering.states.get(origin.stage.index)!.root;
    case 'scratch':
      return builder.add({ kind: 'scratch' }, [], describeSource(lowering, { planned, position }, 'scratch'));
    case 'local': {
      const info = describeSource(lowering, { planned, position }, `context ${origin.name}`);
      return builder.add({ kind: 'local', name: localName(origin.name) }, [], info);
    }
    case 'image': {
      const base = lowering.lookup(origin.request);
      if (base === undefined) {
        throw new BuildError('INTERNAL', `${origin.request.reference} was not resolved before lowering.`);
      }
      const { reference, manifest, config } = base;
      const info = describeSource(lowering, { planned, position }, `FROM ${origin.request.reference}`);
      return builder.add({ kind: 'image', reference, manifest, diffIds: config.rootfs.diff_ids }, [], info);
    }
  }
}

function describeSource(lowering: Lowering, { planned, position }: SourcePlace, what: string): VertexDescription {
  const label = stageLabel(planned.stage);
  const prefix = lowering.dockerfile.stages.length > 1 ? `${label} ` : '';
  const platform = formatPlatform(planned.platform);
  return { name: `[${prefix}${position}] ${what}`, stage: label, platform, slot: `source ${what}`, ignoreCache: false };
}

interface InstructionInput {
  readonly instruction: PlannedInstruction;
  readonly state: StageState;
  readonly position: string;
}

function lowerInstruction(lowering: Lowering, planned: PlannedStage, input: InstructionInput): StageState {
  const { state, position } = input;
  const { instruction, source } = input.instruction;
  const { builder, options, dockerfile } = lowering;
  const expander = createExpander(source, instruction, (name) => state.variables.get(name));
  const { stage } = planned;
  if (!isStep(instruction)) {
    const given = options.buildArgs;
    return lowerMetadata({ state, expander, source, given, globalArgs: lowering.plan.globalArgs }, instruction);
  }
  const context = builder.add({ kind: 'local', name: CONTEXT_NAME }, [], {
    name: '[context] load build context',
    slot: 'context',
    ignoreCache: false,
  });
  const originOf: StepInput['originOf'] = (name) => {
    const origin = resolveName(dockerfile, { name, stage, platform: planned.platform, options });
    return { origin, vertex: originVertex(lowering, { origin, planned, position }) };
  };
  const step: StepInput = { builder, options, dockerfile, stage, state, expander, source, position, originOf, context };
  if (instruction.kind === 'run') return lowerRun(step, instruction);
  if (instruction.kind === 'workdir') return lowerWorkdir(step, instruction);
  return lowerCopy(step, instruction);
}

function isStep(
  instruction: Instruction,
): instruction is Extract<Instruction, { kind: 'run' | 'copy' | 'add' | 'workdir' }> {
  return ['run', 'copy', 'add', 'workdir'].includes(instruction.kind);
}

/** `WORKDIR /` makes no layer; every other one does, whether or not the directory is there. */
function lowerWorkdir(input: StepInput, instruction: Extract<Instruction, { kind: 'workdir' }>): StageState {
  const { state, builder } = input;
  const path = absolute(state.cwd, input.expander.word(instruction.path));
  const next = { ...withConfig(state, { WorkingDir: path }), cwd: path };
  if (path === '/') return withHistory(next, 'WORKDIR /');
  const { User: user } = state.config;
  const op = { kind: 'mkdir', base: 0, path, ...(user ? { user } : {}) } as const;
  return withHistory(next, `WORKDIR ${path}`, builder.add(op, [state.root], describeStep(input, instruction)));
}

function unusedBuildArgs(dockerfile: Dockerfile, plan: StagePlan, options: LowerOptions): readonly string[] {
  const declared = new Set<string>();
  const collect = (instruction: Instruction): void => {
    if (instruction.kind === 'arg') for (const { name } of instruction.args) declared.add(name);
  };
  for (const instruction of dockerfile.globalArgs) collect(instruction);
  for (const stage of dockerfile.stages) stage.instructions.forEach(collect);
  for (const planned of plan.stages) for (const { instruction } of planned.instructions) collect(instruction);
  return Object.keys(options.buildArgs).filter(
    (name) => !declared.has(name) && !isPredefinedArg(name) && !plan.globalArgs.has(name),
  );
}
