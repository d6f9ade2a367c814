import type { Measurement } from './measure.ts';
import type { PhaseResult } from './run-workload.ts';

/** Peak memory that a build of ours may take, in bytes. */
export const MEMORY_BAR = 200e6;

const HEADER = [
  'workload',
  'phase',
  'ours s',
  'buildah s',
  'ratio',
  'bar',
  'CPU ratio',
  'ours MB',
  'buildah MB',
  'ours fetched MB',
  'buildah fetched MB',
  '',
];

/** The results as a table: seconds of wall time, and ours as a share of buildah's. */
export function formatResults(results: readonly PhaseResult[]): string {
  const rows = [HEADER, ...results.map(formatRow)];
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What a result misses, in words; empty when every bar is reached. */
export function missedBars(result: PhaseResult): readonly string[] {
  const { zlayer: ours, buildah: theirs } = result.medians;
  if (ours === undefined || theirs === undefined) return [];
  const ratio = ours.wallSeconds / theirs.wallSeconds;
  return [
    ...(result.phase.bar !== undefined && ratio > result.phase.bar ? ['time'] : []),
    ...(ours.peakBytes > MEMORY_BAR ? ['memory'] : []),
  ];
}

function formatRow(result: PhaseResult): readonly string[] {
  const { id, about, phase, medians } = result;
  const { zlayer: ours, buildah: theirs } = medians;
  const number = (value: number | undefined, digits: number): string =>
    value === undefined ? '-' : value.toFixed(digits);
  const share = (mine: number | undefined, other: number | undefined): string =>
    mine === undefined || other === undefined || other === 0 ? '-' : (mine / other).toFixed(2);
  const missed = missedBars(result);
  return [
    `${id} ${about}`,
    phase.kind,
    number(ours?.wallSeconds, 3),
    number(theirs?.wallSeconds, 3),
    share(ours?.wallSeconds, theirs?.wallSeconds),
    phase.bar === undefined ? '' : String(phase.bar),
    share(ours?.cpuSeconds, theirs?.cpuSeconds),
    number(ours && ours.peakBytes / 1e6, 0),
    number(theirs && theirs.peakBytes / 1e6, 0),
    fetched(ours),
    fetched(theirs),
    missed.length === 0 ? '' : `misses ${missed.join(' and ')}`,
  ];
}

function fetched(measured: Measurement | undefined): string {
  return measured?.fetchedBytes === undefined ? '' : (measured.fetchedBytes / 1e6).toFixed(2);
}
