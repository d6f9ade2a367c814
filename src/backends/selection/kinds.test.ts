import { describe, expect, it } from 'vitest';
import { readImageOs } from './image-os.ts';
import { BACKEND_ALIASES, BACKEND_KINDS, parseBackendKind, parseImageOs } from './kinds.ts';

describe('parseImageOs()', () => {
  it.each([
    ['linux', 'linux'],
    ['Windows', 'windows'],
    ['  LINUX  ', 'linux'],
    ['linux/arm64', 'linux'],
    ['Windows/amd64', 'windows'],
    [' windows /amd64', 'windows'],
    ['linux/arm/v7', 'linux'],
  ])('reads "%s" as %s', (text, os) => {
    expect(parseImageOs(text)).toBe(os);
  });

  it.each(['', 'darwin', 'amd64', 'linux-arm64', '/linux', 'freebsd/amd64'])('refuses "%s" and names both', (text) => {
    expect(() => parseImageOs(text)).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: expect.stringContaining(`"${text}"`),
        hint: expect.stringMatching(/linux, windows/),
      }),
    );
  });
});

describe('readImageOs()', () => {
  it.each([
    ['linux/amd64,linux/arm64', 'linux'],
    ['arm64', 'linux'],
    ['windows/amd64, windows/arm64', 'windows'],
  ])('reads "%s" as %s', (text, os) => {
    expect(readImageOs(text)).toBe(os);
  });

  it('refuses a list that mixes operating systems', () => {
    expect(() => readImageOs('linux/amd64,windows/amd64')).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('parseBackendKind()', () => {
  it.each([
    ['native', 'native'],
    ['buildah-cli', 'buildah-cli'],
    ['buildah', 'buildah-cli'],
    ['cli', 'buildah-cli'],
    ['buildah-sidecar', 'buildah-sidecar'],
    ['sidecar', 'buildah-sidecar'],
    ['buildd', 'buildah-sidecar'],
    ['sandbox', 'sandbox'],
    ['macos-sandbox', 'sandbox'],
    ['hcs', 'hcs'],
    ['windows-hcs', 'hcs'],
    [' BuildAH\n', 'buildah-cli'],
  ])('reads "%s" as %s', (text, kind) => {
    expect(parseBackendKind(text)).toBe(kind);
  });

  it('has no alias twice', () => {
    const names = [...BACKEND_KINDS, ...Object.values(BACKEND_ALIASES).flat()];
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(['docker', '', 'buildah sidecar'])('refuses "%s" with the canonical names', (text) => {
    expect(() => parseBackendKind(text)).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: `There is no backend "${text}". The backends are native, buildah-cli, buildah-sidecar, sandbox, hcs.`,
      }),
    );
  });

  it('says which name may have been meant', () => {
    expect(() => parseBackendKind('nativ')).toThrow(expect.objectContaining({ hint: 'Did you mean native?' }));
  });
});
