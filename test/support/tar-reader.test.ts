import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readTar } from './tar-reader.ts';
import { makeTempDir, removeTempDir } from './temp-dir.ts';

describe('readTar()', () => {
  const root = makeTempDir('tar');
  const tree = join(root, 'tree');
  const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(90)}`;
  mkdirSync(join(tree, long), { recursive: true });
  writeFileSync(join(tree, long, 'x'.repeat(120)), 'deep');
  writeFileSync(Buffer.from(`${tree}/caf\xe9`, 'latin1'), 'latin');
  writeFileSync(join(tree, 'file'), 'content', { mode: 0o4751 });
  execFileSync('chmod', ['4751', join(tree, 'file')]);
  linkSync(join(tree, 'file'), join(tree, 'hard'));
  symlinkSync('y'.repeat(200), join(tree, 'soft'));
  execFileSync('mkfifo', [join(tree, 'pipe')]);
  utimesSync(join(tree, 'file'), 1, 1_600_000_000);
  afterAll(() => removeTempDir(root));

  for (const format of ['gnu', 'pax', 'ustar']) {
    it(`reads what GNU tar writes as ${format}`, () => {
      const tar = join(root, `${format}.tar`);
      const names = format === 'ustar' ? ['./file', './hard', './pipe'] : ['.'];
      const owner = ['--numeric-owner', '--owner=70000', '--group=70001', '--sort=name'];
      execFileSync('tar', ['-C', tree, `--format=${format}`, ...owner, '-cf', tar, ...names]);
      const members = new Map(readTar(tar).map((member) => [member.path, member]));
      const sha256 = createHash('sha256').update('content').digest('hex');
      expect(members.get('file')).toMatchObject({
        kind: 'file',
        mode: 0o4751,
        uid: 70000,
        gid: 70001,
        size: 7,
        sha256,
      });
      expect(members.get('file')?.mtime).toBe(1_600_000_000);
      expect(members.get('hard')).toMatchObject({ kind: 'hardlink', size: 0 });
      expect(members.get('pipe')?.kind).toBe('fifo');
      if (format === 'ustar') return;
      expect(members.get('soft')).toMatchObject({ kind: 'symlink', link: 'y'.repeat(200) });
      expect(members.get(`${long}/${'x'.repeat(120)}`)?.size).toBe(4);
      expect(members.get('caf\xe9')?.size).toBe(5);
    });
  }

  it('refuses a damaged header', () => {
    const tar = join(root, 'damaged.tar');
    writeFileSync(tar, Buffer.concat([Buffer.alloc(512, 'x'), Buffer.alloc(1024)]));
    expect(() => readTar(tar)).toThrow('wrong checksum');
  });

  it('refuses an archive that is cut off', () => {
    const tar = join(root, 'cut.tar');
    execFileSync('tar', ['-C', tree, '-cf', tar, 'file']);
    execFileSync('truncate', ['-s', '600', tar]);
    expect(() => readTar(tar)).toThrow('ends in the middle');
  });
});
