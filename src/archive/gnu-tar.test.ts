import { execFileSync } from 'node:child_process';
import {
  closeSync,
  createReadStream,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesOfPath } from '../core/index.ts';
import { createLayerView, type FileTree, indexLayer, readContent, readTar, walkTree } from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'zlayer-gnu-'));
afterAll(() => rmSync(directory, { recursive: true }));

const root = join(directory, 'root');
mkdirSync(join(root, 'dir'), { recursive: true });
writeFileSync(join(root, 'dir/plain'), 'plain text');
writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xe9])]), 'latin1 name');
symlinkSync('dir/plain', join(root, 'symlink'));
linkSync(join(root, 'dir/plain'), join(root, 'hardlink'));
utimesSync(join(root, 'dir/plain'), 1e9, 1234567890.75);

const long = join(directory, 'long');
mkdirSync(join(long, 'd'.repeat(90), 'e'.repeat(90)), { recursive: true });
writeFileSync(join(long, 'd'.repeat(90), 'e'.repeat(90), 'f'.repeat(200)), 'deep');
symlinkSync('t'.repeat(180), join(long, 'link'));
writeFileSync(join(long, 'old'), '');
utimesSync(join(long, 'old'), 0, new Date(-86_400_000));

const sparse = join(directory, 'sparse');
mkdirSync(sparse);
/** Ten stretches of 4 KiB, 1 MiB apart, and a hole at the end: more than fit into one header of any format. */
const holes = openSync(join(sparse, 'holes'), 'w');
for (let i = 0; i < 10; i++) writeSync(holes, Buffer.alloc(4096, 65 + i), 0, 4096, (i + 1) << 20);
ftruncateSync(holes, 15 << 20);
closeSync(holes);
const nothing = openSync(join(sparse, 'nothing'), 'w');
ftruncateSync(nothing, 1 << 20);
closeSync(nothing);
writeFileSync(join(sparse, 'tail'), 'after the sparse files');

function tarOf(source: string, ...options: string[]): string {
  const path = join(directory, 'test.tar');
  execFileSync('tar', [...options, '--numeric-owner', '--sort=name', '-C', source, '-cf', path, '.']);
  return path;
}

function treeOf(path: string): FileTree {
  return createLayerView([{ toc: indexLayer(path, { whiteouts: false }), tarPath: path }]);
}

/** What both readers say of an archive; fails when they differ. */
async function read(
  path: string,
): Promise<Map<string, { readonly type: string; readonly mtime: number; readonly text: Buffer }>> {
  const found = new Map<string, { type: string; mtime: number; text: Buffer }>();
  const tree = treeOf(path);
  for await (const { entry, offset, body } of readTar(createReadStream(path, { highWaterMark: 10_000 }))) {
    const parts: Buffer[] = [];
    for await (const part of body) parts.push(Buffer.from(part));
    const text = Buffer.concat(parts);
    const stat = tree.stat(entry.path)!;
    if (entry.type === 'file') {
      const content = tree.content(entry.path);
      if (content.kind === 'range') expect(content.offset).toBe(offset);
      expect(Buffer.concat([...readContent(content, stat.sizeBytes)]).equals(text)).toBe(true);
      expect(text.length).toBe(entry.sizeBytes);
    }
    if (entry.type !== 'hardlink') expect(stat).toEqual(entry);
    const shown = entry.linkTarget === undefined ? text : bytesOfPath(entry.linkTarget);
    found.set(entry.path, { type: entry.type, mtime: entry.mtime, text: shown });
  }
  expect([...found.keys()].sort()).toEqual([...walkTree(tree)].map(({ path }) => path).sort());
  return found;
}

describe('readTar() and indexLayer()', () => {
  it.each(['v7', 'oldgnu', 'gnu', 'ustar', 'pax'])('read archives of GNU tar in the format %s', async (format) => {
    const found = await read(tarOf(root, `--format=${format}`));
    expect([...found.keys()]).toEqual(['', 'dir', 'dir/plain', 'f\u00e9', 'hardlink', 'symlink']);
    expect(found.get('dir/plain')).toEqual({ type: 'file', mtime: 1234567890, text: Buffer.from('plain text') });
    expect(found.get('f\u00e9')!.text.toString()).toBe('latin1 name');
    expect(found.get('hardlink')).toMatchObject({ type: 'hardlink', text: Buffer.from('dir/plain') });
    expect(found.get('symlink')).toMatchObject({ type: 'symlink', text: Buffer.from('dir/plain') });
  });

  it.each(['oldgnu', 'gnu', 'pax'])(
    'read long names, long links and times before 1970 in the format %s',
    async (format) => {
      const found = await read(tarOf(long, `--format=${format}`));
      expect(found.get(`${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(200)}`)!.text.toString()).toBe('deep');
      expect(found.get('link')!.text.toString()).toBe('t'.repeat(180));
      expect(found.get('old')!.mtime).toBe(-86_400);
    },
  );

  it.each([
    ['oldgnu', ['--format=oldgnu']],
    ['gnu', ['--format=gnu']],
    ['pax 0.0', ['--format=pax', '--sparse-version=0.0']],
    ['pax 0.1', ['--format=pax', '--sparse-version=0.1']],
    ['pax 1.0', ['--format=pax', '--sparse-version=1.0']],
  ])('read sparse files in the format %s', async (_, options) => {
    const path = tarOf(sparse, '-S', ...options);
    expect(lstatSync(path).size).toBeLessThan(1 << 20);
    const found = await read(path);
    expect(found.get('holes')!.text.equals(readFileSync(join(sparse, 'holes')))).toBe(true);
    expect(found.get('nothing')!.text.equals(Buffer.alloc(1 << 20))).toBe(true);
    expect(found.get('tail')!.text.toString()).toBe('after the sparse files');
  });

  it('ignore global headers', async () => {
    const found = await read(tarOf(root, '--format=posix', '--pax-option=globexthdr.name=g,comment=hello,uid=77'));
    expect(found.get('dir/plain')!.text.toString()).toBe('plain text');
  });

  it('read archives that were appended to, the last member counting', async () => {
    const path = tarOf(root, '--format=gnu');
    writeFileSync(join(root, 'dir/plain'), 'newer');
    execFileSync('tar', ['-C', root, '-rf', path, './dir/plain']);
    writeFileSync(join(root, 'dir/plain'), 'plain text');
    const tree = treeOf(path);
    const { sizeBytes } = tree.stat('dir/plain')!;
    expect(Buffer.concat([...readContent(tree.content('dir/plain'), sizeBytes)]).toString()).toBe('newer');
    expect(Buffer.concat([...readContent(tree.content('hardlink'), tree.stat('hardlink')!.sizeBytes)]).toString()).toBe(
      'plain text',
    );
  });
});
