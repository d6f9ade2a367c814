import { describe, expect, it } from 'vitest';
import { type LayerEntry, treeFromEntries } from '../../archive/index.ts';
import { fileItem, linkItem } from './engine-bench.fixture.ts';
import { resolveProcessUser } from './resolve-user.ts';

const PASSWD = 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\nodd:x:7:8::\nbroken\n';
const GROUP = 'root:x:0:\nbin:x:1:root,app\napp:x:1001:\nmedia:x:44:app\n';

function rootWith(items: readonly ReturnType<typeof fileItem>[]): ReturnType<typeof treeFromEntries> {
  return treeFromEntries(items as readonly LayerEntry[]);
}

const root = rootWith([fileItem('etc/passwd', PASSWD), fileItem('etc/group', GROUP)]);

describe('resolveProcessUser()', () => {
  it('takes a user by name, with its primary and supplementary groups and its home', () => {
    expect(resolveProcessUser('app', root)).toEqual({ uid: 1000, gid: 1001, groups: [1, 44], home: '/home/app' });
  });
  it('takes a listed number as that user', () => {
    expect(resolveProcessUser('1000', root)).toEqual({ uid: 1000, gid: 1001, groups: [1, 44], home: '/home/app' });
  });
  it('gives a number that is not listed the group 0', () => {
    expect(resolveProcessUser('4711', root)).toEqual({ uid: 4711, gid: 0, groups: [], home: '/' });
  });
  it('gives user:group no supplementary groups', () => {
    expect(resolveProcessUser('1000:1000', root)).toEqual({ uid: 1000, gid: 1000, groups: [], home: '/home/app' });
    expect(resolveProcessUser('app:media', root)).toEqual({ uid: 1000, gid: 44, groups: [], home: '/home/app' });
  });
  it('takes the user 0 where none is given', () => {
    expect(resolveProcessUser(undefined, root)).toEqual({ uid: 0, gid: 0, groups: [1], home: '/root' });
    expect(resolveProcessUser(undefined, rootWith([]))).toEqual({ uid: 0, gid: 0, groups: [], home: '/' });
  });
  it('takes / for an empty home', () => {
    expect(resolveProcessUser('odd', root).home).toBe('/');
  });
  it('follows links inside the root only', () => {
    const linked = rootWith([linkItem('etc/passwd', '../../usr/passwd'), fileItem('usr/passwd', PASSWD)]);
    expect(resolveProcessUser('app', linked).uid).toBe(1000);
  });
  it('names the file that lacks a user or a group', () => {
    expect(() => resolveProcessUser('nobody', root)).toThrow('/etc/passwd of the image has no such user');
    expect(() => resolveProcessUser('app:wheel', root)).toThrow('/etc/group of the image has no such group');
  });
  it('refuses a file that is too large to be a list of accounts', () => {
    const huge = rootWith([fileItem('etc/passwd', PASSWD, { sizeBytes: 11 << 20 })]);
    expect(() => resolveProcessUser('app', huge)).toThrow('no list of accounts');
  });
});
