import { formatPlatform, type SourceRange } from '../core/index.ts';
import type { Dockerfile, Instruction, Stage } from '../dockerfile/index.ts';
import type { GraphBuilder } from './build-graph.ts';
import type { LowerOptions } from './lower-options.ts';
import type { StepPart, VertexDescription, VertexId } from './ops.ts';
import { type Expander, locationOf, type SourceText } from './scope.ts';
import type { Origin } from './stage-plan.ts';
import type { StageState } from './stage-state.ts';

/** Everything that lowering one instruction of a stage to a vertex needs. */
export interface StepInput {
  readonly builder: GraphBuilder;
  readonly options: LowerOptions;
  readonly dockerfile: Dockerfile;
  readonly stage: Stage;
  readonly state: StageState;
  readonly expander: Expander;
  readonly source: SourceText;
  /** Such as `2/5`: which of the stage's steps this is. */
  readonly position: string;
  /** Turns a `--from` name into the vertex that it stands for. */
  readonly originOf: (name: string) => { readonly origin: Origin; readonly vertex: VertexId };
  /** The build context. */
  readonly context: VertexId;
}

/** How people call a stage. */
export function stageLabel(stage: Stage): string {
  return stage.name ?? `stage-${stage.index}`;
}

/** A word of a step's instruction and what it is expanded to. */
export interface PlacedText {
  readonly kind: StepPart['kind'];
  readonly text: string;
  readonly range: SourceRange;
}

/** Name, place and cache switches of a step's vertex. */
export function describeStep(
  input: StepInput,
  instruction: Instruction,
  parts: readonly PlacedText[] = [],
): VertexDescription {
  const { stage, options, dockerfile } = input;
  const label = stageLabel(stage);
  const filtered = options.noCacheFilter.some((name) => [stage.name, String(stage.index)].includes(name.toLowerCase()));
  return {
    name: `[${dockerfile.stages.length > 1 ? `${label} ` : ''}${input.position}] ${instruction.text}`,
    stage: label,
    platform: formatPlatform(input.state.platform),
    location: locationOf(input.source, instruction.range),
    ...(parts.length === 0
      ? {}
      : {
          parts: parts.map(({ range, ...part }) => ({ ...part, location: locationOf(input.source, range) })),
        }),
    slot: `${options.project}\n${dockerfile.fileName}\n${label}\n${input.position.split('/')[0]}\n${formatPlatform(input.state.platform)}`,
    ignoreCache: options.noCache || filtered,
  };
}
