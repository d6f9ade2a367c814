import { describe, expect, it } from 'vitest';
import { digestOf } from '../core/index.ts';
import { selectManifest } from './select-manifest.ts';
import { type Descriptor, type DescriptorPlatform, MEDIA_TYPES } from './types.ts';

function entry(name: string, platform?: DescriptorPlatform, annotations?: Record<string, string>): Descriptor {
  return {
    mediaType: MEDIA_TYPES.ociManifest,
    digest: digestOf(name),
    size: 1,
    ...(platform === undefined ? {} : { platform }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

const amd64 = entry('amd64', { os: 'linux', architecture: 'amd64' });
const armV6 = entry('armv6', { os: 'linux', architecture: 'arm', variant: 'v6' });
const armV7 = entry('armv7', { os: 'linux', architecture: 'arm', variant: 'v7' });
const attestation = entry(
  'att',
  { os: 'unknown', architecture: 'unknown' },
  { 'vnd.docker.reference.type': 'attestation-manifest' },
);

function select(manifests: readonly Descriptor[], architecture: string, variant?: string): Descriptor | undefined {
  const platform = { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
  return selectManifest({ schemaVersion: 2, manifests }, platform);
}

describe('selectManifest()', () => {
  it('takes the entry of the wanted platform', () => {
    expect(select([armV7, amd64], 'amd64')).toBe(amd64);
  });

  it('prefers the exact variant and takes an older one where it must', () => {
    expect(select([armV6, armV7], 'arm', 'v7')).toBe(armV7);
    expect(select([armV6], 'arm', 'v7')).toBe(armV6);
    expect(select([armV7], 'arm', 'v6')).toBeUndefined();
  });

  it('never takes an attestation', () => {
    expect(select([attestation], 'amd64')).toBeUndefined();
    expect(select([attestation, amd64], 'amd64')).toBe(amd64);
  });

  it('takes an entry without a platform only when it is the sole image', () => {
    const bare = entry('bare');
    expect(select([bare, attestation], 'amd64')).toBe(bare);
    expect(select([bare, armV7], 'amd64')).toBeUndefined();
  });

  it('finds nothing in an empty index', () => {
    expect(select([], 'amd64')).toBeUndefined();
  });
});
