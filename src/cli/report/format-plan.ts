import type { BuildPlan, StepReport } from '../../backends/index.ts';
import { formatPlatform } from '../../core/index.ts';
import { stepTitle } from '../progress/step-title.ts';
import { sanitizeLine } from '../terminal/sanitize.ts';
import type { Style } from '../terminal/style.ts';

/** A plan for people: every step with its verdict, its reason, and what changed. */
export function formatPlan(plan: BuildPlan, style: Style): string {
  const count = (kind: StepReport['verdict']['kind']): number =>
    plan.steps.filter(({ verdict }) => verdict.kind === kind).length;
  const unknown = count('unknown');
  const steps = plan.steps.length - count('source');
  return [
    ...plan.steps.flatMap((step) => stepLines(step, style)),
    '',
    `${steps} ${steps === 1 ? 'step' : 'steps'} for ${(plan.platforms ?? [plan.platform]).map(formatPlatform).join(', ')}: ${count('cached')} cached, ${count('run')} to run${unknown === 0 ? '' : `, ${unknown} not known before others have run`}`,
    ...plan.bases.map(
      ({ reference, digest }) =>
        `${style.dim('base')} ${reference.includes('@') ? reference : `${reference}@${digest}`}`,
    ),
    `${style.dim('plan')} ${plan.digest}`,
    '',
  ].join('\n');
}

const LABELS = { cached: 'cached', run: 'run', unknown: '?', source: 'source' } as const;

/** A step with its verdict, its reason, and what changed from what to what. */
export function stepLines({ name, verdict }: StepReport, style: Style): readonly string[] {
  const paint = { cached: style.cyan, run: style.yellow, unknown: style.dim, source: style.dim }[verdict.kind];
  const lines = [`${paint(LABELS[verdict.kind].padEnd(6))}  ${stepTitle(name)}`];
  if (verdict.kind === 'run' || verdict.kind === 'unknown')
    lines.push(`        ${style.dim(sanitizeLine(verdict.reason))}`);
  for (const { input, from, to } of verdict.changes ?? []) {
    lines.push(`        ${style.dim(`- ${sanitizeLine(input)}${changeText(from, to)}`)}`);
  }
  return lines;
}

function changeText(from: string | undefined, to: string | undefined): string {
  if (from === undefined && to === undefined) return '';
  if (from === undefined) return `: new, ${sanitizeLine(to!)}`;
  if (to === undefined) return `: gone, was ${sanitizeLine(from)}`;
  return `: ${sanitizeLine(from)} -> ${sanitizeLine(to)}`;
}
