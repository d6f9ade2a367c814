import { describe, expect, it } from 'vitest';
import type { Entry } from '../../archive/index.ts';
import { withPortableAttributes } from './overlay-form.ts';

const FILE: Entry = { path: 'f', type: 'file', mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtime: 0 };

describe('withPortableAttributes()', () => {
  it('keeps capabilities, without the namespace that they were set in, and user attributes alone', () => {
    const xattrs = new Map<string, Uint8Array>([
      ['security.capability', Buffer.from('0100000300040000000000000000000000000000e9030000', 'hex')],
      ['security.selinux', Buffer.from('label')],
      ['trusted.overlay.origin', Buffer.from('x')],
      ['user.overlay.impure', Buffer.from('y')],
      ['user.note', Buffer.from('mine')],
    ]);
    const kept = [...(withPortableAttributes({ ...FILE, xattrs }).xattrs ?? [])];
    expect(kept.map(([name, value]) => [name, Buffer.from(value).toString('hex')])).toEqual([
      ['security.capability', '0100000200040000000000000000000000000000'],
      ['user.note', Buffer.from('mine').toString('hex')],
    ]);
  });
});
