import { describe, expect, it } from 'vitest';
import { parseMount } from './parse-mount.ts';

describe('parseMount()', () => {
  it('takes bind, read-only, as the default', () => {
    expect(parseMount('target=/x')).toEqual({ kind: 'bind', target: '/x', source: '', readonly: true });
    expect(parseMount('dst=/x,src=a,from=s,rw')).toMatchObject({ source: 'a', from: 's', readonly: false });
  });
  it('gives a cache its defaults, the id from the cleaned target', () => {
    expect(parseMount('type=cache,target=/a/./b//c/')).toEqual({
      kind: 'cache',
      target: '/a/./b//c/',
      id: '/a/b/c',
      sharing: 'shared',
      source: '',
      readonly: false,
      mode: 0o755,
      uid: 0,
      gid: 0,
    });
    expect(parseMount('type=CACHE,target=/x,id=i,sharing=LOCKED,mode=0700,uid=1,gid=2,ro=true')).toMatchObject({
      id: 'i',
      sharing: 'locked',
      mode: 0o700,
      uid: 1,
      gid: 2,
      readonly: true,
    });
  });
  it('reads sizes with binary units', () => {
    expect(parseMount('type=tmpfs,target=/x,size=64m')).toEqual({ kind: 'tmpfs', target: '/x', sizeBytes: 67_108_864 });
    expect(parseMount('type=tmpfs,target=/x,size=1.5GiB')).toMatchObject({ sizeBytes: 1_610_612_736 });
    expect(parseMount('type=tmpfs,target=/x,size=0')).toEqual({ kind: 'tmpfs', target: '/x' });
  });
  it('gives a secret its file, its variable or both', () => {
    expect(parseMount('type=secret,id=s')).toEqual({
      kind: 'secret',
      id: 's',
      target: '/run/secrets/s',
      required: false,
      mode: 0o400,
      uid: 0,
      gid: 0,
    });
    expect(parseMount('type=secret,id=s,env=E')).not.toHaveProperty('target');
    expect(parseMount('type=secret,id=s,env=E,target=/t')).toMatchObject({ env: 'E', target: '/t' });
    expect(parseMount('type=secret,target=/etc/a/key')).toMatchObject({ id: 'key', target: '/etc/a/key' });
    expect(parseMount('type=secret,id=dir/s,required')).toMatchObject({ target: '/run/secrets/s', required: true });
  });
  it('gives ssh the default agent', () => {
    expect(parseMount('type=ssh')).toEqual({
      kind: 'ssh',
      id: 'default',
      required: false,
      mode: 0o600,
      uid: 0,
      gid: 0,
    });
  });
  it('splits first and expands after, so that a value may hold a comma', () => {
    const expand = (value: string): string => (value === '$T' ? '/a,b' : value);
    expect(parseMount('type=tmpfs,target=$T', { expand })).toEqual({ kind: 'tmpfs', target: '/a,b' });
    expect(parseMount('type=tmpfs,"target=/a,""b"')).toEqual({ kind: 'tmpfs', target: '/a,"b' });
  });
  it.each([
    ['type=cach,target=/x', 'cache'],
    ['type=cache,target=/x,sharing=share', 'shared'],
    ['type=cache,targt=/x', 'target'],
  ])('names the nearest word in %s', (text, nearest) => {
    expect(() => parseMount(text)).toThrow(
      expect.objectContaining({ code: 'DOCKERFILE_INVALID', hint: expect.stringContaining(nearest) }),
    );
  });
  it.each([
    'foo',
    'target',
    'type=cache',
    'target=/',
    'target=/a/..',
    'type=bind,target=/x,mode=0755',
    'type=bind,target=/x,size=1k',
    'type=bind,target=/x,required',
    'type=cache,target=/x,mode=9',
    'type=cache,target=/x,uid=a',
    'type=cache,target=/x,uid=4294967296',
    'type=tmpfs,target=/x,size=zz',
    'type=tmpfs,target=/x,sharing=private',
    'type=secret',
    'type=secret,id=a,source=b',
    'type=secret,id=a,from=b',
    'type=secret,id=a,sharing=locked',
    'type=ssh,source=a',
    'target=/x,ro=maybe',
    'target="/x',
  ])('refuses %s', (text) => {
    expect(() => parseMount(text)).toThrow(expect.objectContaining({ code: 'DOCKERFILE_INVALID' }));
  });
});
