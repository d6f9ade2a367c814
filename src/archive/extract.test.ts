import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import type { Entry, LayerItem } from './entry.ts';
import { type ExtractOptions, type ExtractResult, extractTar, writeLayer } from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'zlayer-extract-'));
afterAll(() => {
  execFileSync('chmod', ['-R', 'u+rwx', directory]);
  rmSync(directory, { recursive: true });
});

const base = { mode: 0o644, uid: 0, gid: 0, sizeBytes: 0, mtime: 1000 } as const;
const file = (path: string, text = path, more: Partial<Entry> = {}) => {
  const bytes = Buffer.from(text, 'latin1');
  const entry: Entry = { ...base, path, type: 'file', sizeBytes: bytes.length, ...more };
  return bytes.length === 0 ? { entry } : { entry, content: { kind: 'bytes' as const, bytes } };
};
const other = (path: string, type: Entry['type'], more: Partial<Entry> = {}) => ({
  entry: { ...base, path, type, mode: 0o755, ...more } as Entry,
});

/** Tars of single items, so that the writer's own checks do not stop what a hostile archive may hold. */
async function tarOf(items: readonly LayerItem[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (const item of items) {
    const own: Buffer[] = [];
    await writeLayer([item], { write: (bytes) => void own.push(Buffer.from(bytes)) });
    chunks.push(Buffer.concat(own).subarray(0, -1024));
  }
  return Buffer.concat([...chunks, Buffer.alloc(1024)]);
}

async function extract(
  items: readonly LayerItem[],
  options: ExtractOptions = {},
): Promise<{ root: string; result: ExtractResult }> {
  const root = mkdtempSync(join(directory, 'x-'));
  return { root, result: await extractTar(Readable.from([await tarOf(items)]), root, options) };
}

describe('extractTar()', () => {
  it('makes files, directories and links with their modes and times', async () => {
    const { root, result } = await extract([
      other('d', 'directory', { mode: 0o500, mtime: 77 }),
      file('d/f', 'text', { mode: 0o640, mtime: -5 }),
      other('d/l', 'symlink', { linkTarget: '/nowhere', mtime: 9 }),
      other('h', 'hardlink', { linkTarget: 'd/f' }),
      file('implied/parent/x', ''),
    ]);
    expect(result).toEqual({ entryCount: 5, sizeBytes: 4, skipped: [] });
    expect(lstatSync(join(root, 'd'))).toMatchObject({ mode: 0o40500, mtimeMs: 77_000 });
    expect(lstatSync(join(root, 'd/f'))).toMatchObject({ mode: 0o100640, mtimeMs: -5000, nlink: 2 });
    expect(readFileSync(join(root, 'h'), 'utf8')).toBe('text');
    expect(readlinkSync(join(root, 'd/l'))).toBe('/nowhere');
    expect(lstatSync(join(root, 'd/l')).mtimeMs).toBe(9000);
    expect(existsSync(join(root, 'implied/parent/x'))).toBe(true);
  });

  it('keeps names byte for byte', async () => {
    const name = Buffer.from([0x63, 0xe9, 0xff]).toString('latin1');
    const { root } = await extract([other(name, 'directory'), file(`${name}/x`)]);
    expect(readdirSync(root, { encoding: 'buffer' })).toEqual([Buffer.from(name, 'latin1')]);
  });

  it('does not follow a symlink that an entry lies below', async () => {
    const outside = mkdtempSync(join(directory, 'outside-'));
    await expect(extract([other('l', 'symlink', { linkTarget: outside }), file('l/x')])).rejects.toMatchObject({
      code: 'ARCHIVE_UNSAFE',
      message: expect.stringContaining('"l/x"'),
    });
    expect(readdirSync(outside)).toEqual([]);
  });

  it('replaces a symlink instead of writing through it', async () => {
    const target = join(directory, 'target');
    writeFileSync(target, 'safe');
    const { root } = await extract([other('f', 'symlink', { linkTarget: target }), file('f', 'mine')]);
    expect(readFileSync(target, 'utf8')).toBe('safe');
    expect(readFileSync(join(root, 'f'), 'utf8')).toBe('mine');
  });

  it.each(['gone', 'd'])('refuses a hard link to "%s", which is no file of the archive', async (linkTarget) => {
    await expect(extract([other('d', 'directory'), other('h', 'hardlink', { linkTarget })])).rejects.toMatchObject({
      code: 'ARCHIVE_UNSAFE',
    });
  });

  it('refuses names with ".."', async () => {
    const tar = execFileSync('tar', [
      '-P',
      '--format=ustar',
      '-C',
      directory,
      '-cf',
      '-',
      `../${directory.split('/').pop()}/target`,
    ]);
    const root = mkdtempSync(join(directory, 'dots-'));
    await expect(extractTar(Readable.from([tar]), root)).rejects.toMatchObject({ code: 'ARCHIVE_UNSAFE' });
    expect(readdirSync(root)).toEqual([]);
  });

  it('lets the last of several entries count', async () => {
    const { root } = await extract([
      file('a', 'old'),
      file('a', 'new'),
      other('b', 'directory'),
      file('b/x'),
      file('b', 'file'),
      file('c'),
      other('c', 'directory'),
      file('c/y'),
    ]);
    expect(readFileSync(join(root, 'a'), 'utf8')).toBe('new');
    expect(readFileSync(join(root, 'b'), 'utf8')).toBe('file');
    expect(readdirSync(join(root, 'c'))).toEqual(['y']);
  });

  it('does not change the other name of a file that is replaced', async () => {
    const { root } = await extract([file('a', 'old'), other('b', 'hardlink', { linkTarget: 'a' }), file('a', 'new')]);
    expect(readFileSync(join(root, 'b'), 'utf8')).toBe('old');
  });

  it('tells which devices it left out', async () => {
    const { result } = await extract([other('null', 'char', { device: { major: 1, minor: 3 } }), other('p', 'fifo')]);
    expect(result.skipped).toEqual(['null', 'p']);
  });

  it('takes setuid bits away from files that get another owner', async () => {
    const { root } = await extract([file('su', 'x', { mode: 0o6755 }), other('d', 'directory', { mode: 0o3777 })]);
    expect(lstatSync(join(root, 'su')).mode & 0o7777).toBe(0o755);
    expect(lstatSync(join(root, 'd')).mode & 0o7777).toBe(0o1777);
  });

  it.skipIf(process.getuid?.() !== 0)('gives owners and setuid bits to files where it is asked to', async () => {
    const { root } = await extract(
      [
        other('d', 'directory', { uid: 7, gid: 8 }),
        file('d/su', 'x', { mode: 0o6755, uid: 5, gid: 6 }),
        other('l', 'symlink', { uid: 9, linkTarget: 'd' }),
      ],
      { preserveOwner: true },
    );
    expect(lstatSync(join(root, 'd'))).toMatchObject({ uid: 7, gid: 8 });
    expect(lstatSync(join(root, 'd/su'))).toMatchObject({ uid: 5, gid: 6, mode: 0o106755 });
    expect(lstatSync(join(root, 'l')).uid).toBe(9);
  });

  it('says what could not be written', async () => {
    const root = mkdtempSync(join(directory, 'used-'));
    mkdirSync(join(root, 'a'));
    await expect(extractTar(Readable.from([await tarOf([file('a')])]), root)).rejects.toMatchObject({
      code: 'OUTPUT_FAILED',
      message: expect.stringContaining('"a"'),
    });
  });

  it('stops when the signal aborts', async () => {
    const signal = AbortSignal.abort();
    await expect(extract([file('a')], { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
