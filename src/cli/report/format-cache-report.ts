import type { StepReport } from '../../backends/index.ts';
import type { Style } from '../terminal/style.ts';
import { stepLines } from './format-plan.ts';

/** Why steps were not, or would not be, taken from the cache: each with what changed, from what to what. */
export function formatCacheReport(steps: readonly StepReport[], style: Style): string {
  const misses = steps.filter(({ verdict }) => verdict.kind === 'run' || verdict.kind === 'unknown');
  if (misses.length === 0) return 'Every step is in the cache.\n';
  return `${misses.flatMap((step) => stepLines(step, style)).join('\n')}\n`;
}
