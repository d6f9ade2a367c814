import type { OpResult } from '../../engine/index.ts';
import type { Outcomes } from '../../solver/index.ts';
import type { StepReport } from '../types.ts';

/** The steps with what became of them. */
export function reportSteps(outcomes: Outcomes<OpResult>): readonly StepReport[] {
  return [...outcomes.values()].map(({ vertex, verdict, startedMs, durationMs }) => ({
    vertex: vertex.id,
    name: vertex.info.name,
    ...(vertex.info.stage === undefined ? {} : { stage: vertex.info.stage }),
    verdict,
    startedMs,
    durationMs,
  }));
}
