import { BuildError, formatPlatform, type RunContext } from '../../core/index.ts';
import type { BuildRequest, BuildResult, OutputInput } from '../types.ts';
import { listAnnotations } from './annotations.ts';
import { compressionOf } from './check-consistency.ts';
import { PRESETS, type Preset } from './preset-rules.ts';
import { platformsOf } from './request-platforms.ts';

/**
 * A request with what its preset means: Docker's media types, layers in gzip, one platform and so one plain manifest.
 *
 * @throws BuildError `USAGE` where an option of the request says something else, naming both.
 */
export function applyPreset(request: BuildRequest): BuildRequest {
  const { preset, outputs } = request;
  if (preset === undefined) return request;
  if (!(preset in PRESETS)) {
    throw new BuildError('USAGE', `There is no preset "${preset}".`, {
      hint: `It is one of: ${Object.keys(PRESETS).join(', ')}.`,
    });
  }
  if (request.format === 'oci') throw conflict(preset, 'OCI media types', 'its image has those of Docker');
  if (listAnnotations(request).length > 0) {
    throw conflict(preset, '--annotation', "Docker's manifest has no place for annotations; use --label");
  }
  for (const output of outputs ?? []) {
    const { compression = 'gzip' } = compressionOf(output);
    if (compression === 'gzip') continue;
    throw conflict(preset, `compression=${compression} of an output`, 'its layers are compressed with gzip');
  }
  return {
    ...request,
    format: 'docker',
    platform: platformFor(request, preset),
    ...(outputs === undefined ? {} : { outputs: outputs.map(inGzip) }),
  };
}

/** A docker tar has plain layers unless it says otherwise; here nothing else is meant than everywhere. */
function inGzip(output: OutputInput): OutputInput {
  if (output.kind !== 'image' && output.kind !== 'oci' && output.kind !== 'docker') return output;
  return { ...output, compression: 'gzip' };
}

function platformFor(request: BuildRequest, preset: Preset): string {
  const { platforms } = PRESETS[preset];
  const [only, ...more] = platforms ?? [];
  if (request.platform === undefined && only !== undefined && more.length === 0) return only;
  const asked = platformsOf(request).map(formatPlatform);
  const [platform, ...others] = asked;
  if (platform === undefined || others.length > 0) {
    throw conflict(preset, `--platform ${asked.join(',')}`, 'it takes one plain manifest, of one platform');
  }
  if (platforms === undefined || platforms.includes(platform)) return platform;
  throw conflict(preset, `--platform ${platform}`, `it runs ${platforms.join(' or ')} alone`);
}

function conflict(preset: Preset, option: string, why: string): BuildError {
  return new BuildError('USAGE', `--preset ${preset} and ${option} contradict each other: ${why}.`, {
    hint: 'Leave one of them out.',
  });
}

/** Warns of an image that is beyond what its consumer takes. */
export function warnOfLimits(preset: Preset, { layers, sizeBytes }: BuildResult, { emit }: RunContext): void {
  const { maxBytes, maxLayers, consumer, source } = PRESETS[preset];
  const warn = (message: string): void =>
    emit({ kind: 'warning', time: Date.now(), code: 'PRESET_LIMIT', message, hint: `See ${source}.` });
  if (maxBytes !== undefined && sizeBytes > maxBytes) {
    warn(
      `${consumer} takes images up to ${gigabytes(maxBytes)} without compression; this one has ${gigabytes(sizeBytes)}.`,
    );
  }
  if (maxLayers !== undefined && layers.length > maxLayers) {
    warn(`${consumer} takes images of up to ${maxLayers} layers; this one has ${layers.length}. --squash makes fewer.`);
  }
}

function gigabytes(bytes: number): string {
  return `${Math.round(bytes / 1e8) / 10} GB`;
}
