import { describe, expect, it } from 'vitest';
import type { BuildEvent } from '../../core/index.ts';
import type { BuildRequest, BuildResult } from '../types.ts';
import { applyPreset, warnOfLimits } from './presets.ts';

const HOST = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`;
const context = { kind: 'empty' } as const;

describe('applyPreset()', () => {
  it('asks for Docker types, gzip and one platform, in every output', () => {
    const outputs = [
      { kind: 'image', push: true },
      { kind: 'docker', destination: 'd' },
      { kind: 'local', destination: 'l' },
    ] as const;
    expect(applyPreset({ context, preset: 'lambda', outputs })).toEqual({
      context,
      preset: 'lambda',
      format: 'docker',
      platform: HOST,
      outputs: [
        { kind: 'image', push: true, compression: 'gzip' },
        { kind: 'docker', destination: 'd', compression: 'gzip' },
        { kind: 'local', destination: 'l' },
      ],
    });
  });

  it('takes the only platform of a consumer, whatever this host is', () => {
    expect(applyPreset({ context, preset: 'cloud-run' }).platform).toBe('linux/amd64');
    expect(applyPreset({ context, preset: 'docker-v2', platform: 'linux/s390x' }).platform).toBe('linux/s390x');
  });

  it('leaves a request without one alone', () => {
    const request: BuildRequest = { context, platform: 'linux/amd64,linux/arm64' };
    expect(applyPreset(request)).toBe(request);
  });

  it.each<[string, Partial<BuildRequest>]>([
    ['OCI media types', { format: 'oci' }],
    ['--annotation', { annotations: { a: 'b' } }],
    ['compression=zstd', { outputs: [{ kind: 'oci', destination: 'o', tar: true, compression: 'zstd' }] }],
    ['compression=none', { outputs: [{ kind: 'image', compression: 'none' }] }],
    ['--platform linux/amd64,linux/arm64', { platform: 'linux/amd64,linux/arm64' }],
    ['--platform linux/s390x', { platform: 'linux/s390x' }],
  ])('refuses %s, naming both', (option, request) => {
    const message = expect.stringMatching(new RegExp(`--preset lambda and ${option}.* contradict each other`));
    expect(() => applyPreset({ context, preset: 'lambda', ...request })).toThrow(
      expect.objectContaining({ code: 'USAGE', message }),
    );
  });

  it('names the presets where it does not know one', () => {
    const request = { context, preset: 'heroku' } as unknown as BuildRequest;
    expect(() => applyPreset(request)).toThrow(
      expect.objectContaining({ code: 'USAGE', hint: 'It is one of: lambda, cloud-run, docker-v2.' }),
    );
  });
});

describe('warnOfLimits()', () => {
  const warningsOf = (
    preset: 'lambda' | 'cloud-run' | 'docker-v2',
    result: Partial<BuildResult>,
  ): readonly string[] => {
    const events: BuildEvent[] = [];
    const signal = new AbortController().signal;
    warnOfLimits(preset, { layers: [], sizeBytes: 0, ...result } as unknown as BuildResult, {
      signal,
      emit: (event) => events.push(event),
    });
    return events.flatMap((event) => (event.kind === 'warning' ? [`${event.code}: ${event.message}`] : []));
  };
  const layers = Array.from({ length: 126 }, () => ({})) as unknown as BuildResult['layers'];

  it('tells of too many bytes or layers, where the consumer has such a limit', () => {
    const sizeBytes = 12_340_000_000;
    expect(warningsOf('lambda', { sizeBytes, layers })).toEqual([
      'PRESET_LIMIT: AWS Lambda takes images up to 10 GB without compression; this one has 12.3 GB.',
    ]);
    expect(warningsOf('docker-v2', { sizeBytes, layers })).toEqual([expect.stringContaining('up to 125 layers')]);
    expect(warningsOf('cloud-run', { sizeBytes, layers })).toEqual([]);
    expect(warningsOf('lambda', { sizeBytes: 10_000_000_000 })).toEqual([]);
  });
});
