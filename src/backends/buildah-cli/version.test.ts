import { describe, expect, it } from 'vitest';
import { capabilitiesOf, LEAST_FACTS } from './capabilities.ts';
import { installHint } from './install-hint.ts';
import { readStorageVariable } from './storage-variable.ts';
import { isAtLeast, parseBuildahVersion } from './version.ts';

describe('parseBuildahVersion()', () => {
  it.each([
    ['buildah version 1.28.2 (image-spec 1.1.0-rc2, runtime-spec 1.0.2-dev)', { major: 1, minor: 28, patch: 2 }],
    ['buildah version 1.44 (image-spec 1.1.1)', { major: 1, minor: 44, patch: 0 }],
    ['buildah version 1.38.0-dev (image-spec 1.1.0)\n', { major: 1, minor: 38, patch: 0 }],
  ])('reads %j', (text, version) => {
    expect(parseBuildahVersion(text)).toEqual(version);
  });

  it('takes nothing else for a version', () => {
    expect(parseBuildahVersion('podman version 4.3.1')).toBeUndefined();
  });
});

describe('isAtLeast()', () => {
  it('compares numbers, not texts', () => {
    expect(isAtLeast({ major: 1, minor: 9, patch: 0 }, 1, 28)).toBe(false);
    expect(isAtLeast({ major: 1, minor: 28, patch: 0 }, 1, 28)).toBe(true);
    expect(isAtLeast({ major: 2, minor: 0, patch: 0 }, 1, 28)).toBe(true);
  });
});

describe('capabilitiesOf()', () => {
  it('denies the size of /dev/shm under chroot alone, naming the version', () => {
    expect(capabilitiesOf(LEAST_FACTS)['shm-size']).toContain('buildah 1.28.0');
    expect(capabilitiesOf({ ...LEAST_FACTS, isolation: 'oci' })['shm-size']).toBe(true);
  });

  it('offers what is lowered before buildah sees it', () => {
    const capabilities = capabilitiesOf(LEAST_FACTS);
    for (const feature of ['copy-heredoc', 'add-checksum', 'health-start-interval', 'mount-cache-sharing'] as const) {
      expect(capabilities[feature]).toBe(true);
    }
  });
});

describe('installHint()', () => {
  it.each([
    ['ID=debian\nVERSION_ID="12"\n', 'apt install buildah'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', 'dnf install buildah'],
    ['ID="opensuse-tumbleweed"\n', 'zypper install buildah'],
    ['', 'Install buildah 1.28 or later'],
  ])('tells for %j', (text, hint) => {
    expect(installHint(text)).toContain(hint);
  });
});

describe('readStorageVariable()', () => {
  it('reads driver and directories', () => {
    const env = { ZLAYER_BUILDAH_STORAGE: 'overlay@/a b/graph+/run/x' };
    expect(readStorageVariable(env)).toEqual({ driver: 'overlay', root: '/a b/graph', runRoot: '/run/x' });
  });

  it('leaves it to buildah where it is not set, and refuses what is no storage', () => {
    expect(readStorageVariable({})).toBeUndefined();
    expect(() => readStorageVariable({ ZLAYER_BUILDAH_STORAGE: '/graph' })).toThrow('does not name a storage');
  });
});
