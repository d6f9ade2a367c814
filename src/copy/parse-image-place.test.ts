import { describe, expect, it } from 'vitest';
import { parseImagePlace } from './parse-image-place.ts';

const HUB = { registry: 'docker.io', repository: 'library/app', tag: '1' };

describe('parseImagePlace()', () => {
  it.each([
    ['app:1', { kind: 'registry', reference: HUB }],
    ['docker://app:1', { kind: 'registry', reference: HUB }],
    ['docker:1', { kind: 'registry', reference: { registry: 'docker.io', repository: 'library/docker', tag: '1' } }],
    ['store:app:1', { kind: 'store', name: 'app:1' }],
    ['oci:dir', { kind: 'oci', path: 'dir' }],
    ['oci:/a/dir:docker.io/library/app:1', { kind: 'oci', path: '/a/dir', name: 'docker.io/library/app:1' }],
    ['oci-archive:a.tar:1.0', { kind: 'oci-archive', path: 'a.tar', name: '1.0' }],
    ['docker-archive:-', { kind: 'docker-archive', path: '-' }],
  ])('reads %s', (text, place) => {
    expect(parseImagePlace(text)).toEqual(place);
  });

  it.each([
    ['oci:', 'USAGE'],
    ['store:', 'USAGE'],
    ['oci-archive::1', 'USAGE'],
    ['containers-storage:app', 'UNSUPPORTED'],
    ['docker-daemon:app:1', 'UNSUPPORTED'],
    ['dir:/a', 'UNSUPPORTED'],
    ['docker://App', 'REFERENCE_INVALID'],
  ])('refuses %s', (text, code) => {
    expect(() => parseImagePlace(text)).toThrow(expect.objectContaining({ code }));
  });
});
