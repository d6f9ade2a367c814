import type { BuildResult, OutputInput } from '../../backends/index.ts';
import { familiarReference, formatPlatform, parseReference } from '../../core/index.ts';
import type { Style } from '../terminal/style.ts';
import { formatDuration, formatSize } from '../terminal/units.ts';

/** What a build made, and where else than in the store it went, in a few lines. */
export function formatResult(result: BuildResult, outputs: readonly OutputInput[], style: Style): string {
  const { layers } = result;
  const steps = result.steps.filter(({ verdict }) => verdict.kind !== 'source');
  const cached = steps.filter(({ verdict }) => verdict.kind === 'cached').length;
  const count = `${steps.length} step${steps.length === 1 ? '' : 's'}${cached === 0 ? '' : `, ${cached} cached`}`;
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['image', result.configDigest],
    ['digest', result.digest],
    ...result.references.map((reference) => ['name', familiarName(reference)] as const),
    [
      'size',
      `${formatSize(result.sizeBytes)} in ${layers.length} layer${layers.length === 1 ? '' : 's'}, ${formatPlatform(result.platform)}`,
    ],
    ...outputs.flatMap(outputRow),
  ];
  return [
    `${style.green(style.bold('Built'))} in ${formatTotal(result.durationMs)} (${count})`,
    ...rows.map(([name, value]) => `  ${style.dim(name.padEnd(6))} ${value}`),
    '',
  ].join('\n');
}

function outputRow(output: OutputInput): ReadonlyArray<readonly [string, string]> {
  if (!('destination' in output)) return [];
  const { kind, destination } = output;
  return [['output', `${kind} to ${destination === '-' ? 'standard output' : destination}`]];
}

/** The whole build is often so short that tenths of seconds tell nothing. */
function formatTotal(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : formatDuration(ms);
}

/** A full reference as people write it. */
export function familiarName(reference: string): string {
  return familiarReference(parseReference(reference));
}
