import type { VertexInfo } from '../../core/index.ts';
import type { Dockerfile, Instruction, Stage } from '../../dockerfile/index.ts';

/** Where a vertex stands in the Dockerfile. */
export interface StepPlace {
  readonly stage: Stage;
  /** Of the stage's instructions, from 0; undefined for what belongs to the stage but to none of them, such as its base. */
  readonly index: number | undefined;
  readonly instruction: Instruction | undefined;
}

/** Finds the instruction that a vertex comes from, by its place in the text. */
export function createStepIndex(file: Dockerfile): (vertex: VertexInfo) => StepPlace | undefined {
  const byLine = new Map<number, StepPlace>();
  for (const stage of file.stages) {
    byLine.set(stage.from.range.start.line, { stage, index: undefined, instruction: undefined });
    stage.instructions.forEach((instruction, index) => {
      const { line } = instruction.range.start;
      // What was added without a place of its own has the line of its FROM, and makes no vertex.
      if (!byLine.has(line)) byLine.set(line, { stage, index, instruction });
    });
  }
  return ({ location }) => {
    if (location === undefined || location.fileName !== file.fileName) return undefined;
    return byLine.get(location.range.start.line);
  };
}
