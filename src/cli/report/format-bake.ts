import type { BuildRequest, BuildResult } from '../../backends/index.ts';
import type { BuildError } from '../../core/index.ts';
import type { Style } from '../terminal/style.ts';
import { formatDuration } from '../terminal/units.ts';
import { familiarName } from './format-result.ts';
import { formatTable } from './format-table.ts';

/** What became of a target. */
export type BakeOutcome =
  | { readonly kind: 'built'; readonly request: BuildRequest; readonly result: BuildResult }
  | { readonly kind: 'failed'; readonly error: BuildError }
  | { readonly kind: 'skipped'; readonly because: string };

/** One line for every target; those without an outcome were not begun. */
export function formatBake(
  targets: readonly string[],
  outcomes: ReadonlyMap<string, BakeOutcome>,
  style: Style,
): string {
  const rows = targets.map((name) => [name, ...toCells(outcomes.get(name), style)]);
  return formatTable(['TARGET', 'RESULT', 'IMAGE'], rows);
}

function toCells(outcome: BakeOutcome | undefined, style: Style): readonly [string, string] {
  if (outcome === undefined) return [style.dim('not begun'), ''];
  if (outcome.kind === 'failed') return [style.red('failed'), ''];
  if (outcome.kind === 'skipped') return [style.dim(`skipped: needs ${outcome.because}`), ''];
  const { durationMs, references, digest } = outcome.result;
  const names = references.map(familiarName).join(', ');
  return [`${style.green('built')} in ${formatDuration(durationMs)}`, names || digest];
}
