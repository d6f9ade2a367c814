import type { BakeResult, TargetOutcome } from '../../backends/index.ts';
import { digestHex } from '../../core/index.ts';
import type { Style } from '../terminal/style.ts';
import { formatDuration, formatSize } from '../terminal/units.ts';
import { familiarName } from './format-result.ts';
import { formatTable } from './format-table.ts';

const SHORT_DIGEST = 12;
type Row = readonly [result: string, time: string, size: string, digest: string, names: string];

/** One line for every target: what became of it, in which time, how large it is, and how it is called. */
export function formatBake({ targets }: Pick<BakeResult, 'targets'>, style: Style): string {
  const rows = Object.entries(targets).map(([name, outcome]) => [name, ...toRow(outcome, style)]);
  return formatTable(['TARGET', 'RESULT', 'TIME', 'SIZE', 'DIGEST', 'IMAGE'], rows);
}

function toRow(outcome: TargetOutcome, style: Style): Row {
  switch (outcome.kind) {
    case 'built': {
      const { durationMs, references, digest, sizeBytes } = outcome.result;
      return [
        style.green('built'),
        formatDuration(durationMs),
        formatSize(sizeBytes),
        digestHex(digest).slice(0, SHORT_DIGEST),
        references.map(familiarName).join(', '),
      ];
    }
    case 'failed':
      return [style.red('failed'), '', '', '', style.dim(outcome.error.code)];
    case 'skipped':
      return [style.yellow('skipped'), '', '', '', style.dim(`needs ${outcome.because}`)];
    case 'cancelled':
      return [style.dim('cancelled'), '', '', '', ''];
  }
}

/** The verdicts as one line for programs that read `--progress=rawjson`. */
export function bakeDocument({ targets, durationMs }: BakeResult, time: number): Readonly<Record<string, unknown>> {
  const verdicts = Object.entries(targets).map(([name, outcome]) => [name, verdictOf(outcome)]);
  return { kind: 'bake-completed', time, durationMs, targets: Object.fromEntries(verdicts) };
}

function verdictOf(outcome: TargetOutcome): Readonly<Record<string, unknown>> {
  if (outcome.kind === 'failed') {
    const { code, message } = outcome.error;
    return { kind: 'failed', code, message };
  }
  if (outcome.kind !== 'built') return outcome;
  const { digest, references, sizeBytes, durationMs } = outcome.result;
  return { kind: 'built', digest, references, sizeBytes, durationMs };
}
