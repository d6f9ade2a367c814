import type { BuildResult, BuiltImage, OutputInput } from '../../backends/index.ts';
import { type Digest, familiarReference, formatPlatform, parseReference } from '../../core/index.ts';
import type { Style } from '../terminal/style.ts';
import { formatDuration, formatSize } from '../terminal/units.ts';

/** What a build made, and where else than in the store it went, in a few lines. */
export function formatResult(result: BuildResult, outputs: readonly OutputInput[], style: Style): string {
  const steps = result.steps.filter(({ verdict }) => verdict.kind !== 'source');
  const cached = steps.filter(({ verdict }) => verdict.kind === 'cached').length;
  const count = `${steps.length} step${steps.length === 1 ? '' : 's'}${cached === 0 ? '' : `, ${cached} cached`}`;
  const rows: ReadonlyArray<readonly [string, string]> = [
    ...(result.images === undefined ? [['image', result.configDigest] as const] : []),
    ['digest', result.digest],
    ...result.references.map((reference) => ['name', familiarName(reference)] as const),
    ...(result.images ?? []).map((image) => ['image', `${image.digest}, ${describeSize(image)}`] as const),
    ['size', result.images === undefined ? describeSize(result) : formatSize(result.sizeBytes)],
    ...outputs.flatMap(outputRow),
    ...(result.pushed ?? []).map(({ reference, digest }) => ['pushed', pinned(reference, digest)] as const),
  ];
  return [
    `${style.green(style.bold('Built'))} in ${formatTotal(result.durationMs)} (${count})`,
    ...rows.map(([name, value]) => `  ${style.dim(name.padEnd(6))} ${value}`),
    '',
  ].join('\n');
}

function describeSize({ layers, sizeBytes, platform }: BuiltImage): string {
  const count = `${layers.length} layer${layers.length === 1 ? '' : 's'}`;
  return `${formatSize(sizeBytes)} in ${count}, ${formatPlatform(platform)}`;
}

/** By what the result is known: the image's id, or of several images the digest of their index. */
export function resultId(result: BuildResult): string {
  return result.images === undefined ? result.configDigest : result.digest;
}

function outputRow(output: OutputInput): ReadonlyArray<readonly [string, string]> {
  if (output.kind === 'load') return [['loaded', `into ${output.engine ?? 'the engine of this host'}`]];
  if (!('destination' in output)) return [];
  const { kind, destination } = output;
  return [['output', `${kind} to ${destination === '-' ? 'standard output' : destination}`]];
}

/** The whole build is often so short that tenths of seconds tell nothing. */
function formatTotal(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : formatDuration(ms);
}

/** What others can name without it ever meaning something else. */
function pinned(reference: string, digest: Digest): string {
  return familiarReference({ ...parseReference(reference), digest });
}

/** A full reference as people write it. */
export function familiarName(reference: string): string {
  return familiarReference(parseReference(reference));
}
