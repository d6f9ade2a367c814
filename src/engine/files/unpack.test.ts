import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type LayerItem, writeLayer } from '../../archive/index.ts';
import { isBuildError } from '../../core/index.ts';
import {
  contextOf,
  createTestEngine,
  directory,
  entry,
  file,
  from,
  listing,
  symlink,
  type TestEngine,
} from '../test-engine.fixture.ts';
import type { OpResult, TreeResult } from '../types.ts';

async function tarOf(items: readonly LayerItem[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await writeLayer(items, { write: (bytes) => void chunks.push(Buffer.from(bytes)) });
  return Buffer.concat(chunks);
}

function contextWith(name: string, bytes: Buffer): TreeResult {
  return contextOf([{ entry: entry(name, { sizeBytes: bytes.length }), content: { kind: 'bytes', bytes } }] as never);
}

const auto = (path: string, input = 0) => from(path, input, { unpack: 'auto' });

async function added(
  engine: TestEngine,
  bytes: Buffer,
  more: { readonly base?: OpResult; readonly chown?: string } = {},
): Promise<readonly string[]> {
  const { base, chown } = more;
  const inputs = base === undefined ? [contextWith('x.bin', bytes)] : [base, contextWith('x.bin', bytes)];
  const sources = [auto('x.bin', inputs.length - 1)];
  const tree = await engine.copy(
    {
      ...(base === undefined ? {} : { base: 0 }),
      ...(chown === undefined ? {} : { chown }),
      sources,
      destination: '/d/',
    },
    inputs,
  );
  return listing(tree);
}

describe('runCopy() of archives', () => {
  const members = [
    directory('', { mode: 0o700, uid: 9 }),
    directory('sub', { mode: 0o750, uid: 5, gid: 6 }),
    file('sub/f', 'x', { mode: 0o4711, uid: 5 }),
  ];
  const unpacked = ['d755 0:0 d', 'd750 5:6 d/sub', '-4711 5:0 d/sub/f'];

  it('unpacks by content, whatever the name, with owners and modes; the root entry changes nothing', async () => {
    await using engine = await createTestEngine();
    expect(await added(engine, await tarOf(members))).toEqual(unpacked);
    expect(await added(engine, gzipSync(await tarOf(members)))).toEqual(unpacked);
  });

  it('leaves nothing temporary behind', async () => {
    await using engine = await createTestEngine();
    const { existsSync, readdirSync } = await import('node:fs');
    await added(engine, gzipSync(await tarOf(members)));
    const parent = engine.directory.slice(0, engine.directory.lastIndexOf('/'));
    expect(existsSync(parent) ? readdirSync(parent).filter((name) => name.includes('add-')) : []).toEqual([]);
  });

  it.each<[string, () => Buffer | Promise<Buffer>]>([
    ['text', () => Buffer.from('just text that is longer than nothing\n'.repeat(50))],
    ['an empty file', () => Buffer.alloc(0)],
    ['compressed text', () => gzipSync('hello')],
    ['a truncated gzip', () => gzipSync('hello').subarray(0, 12)],
    ['a zip', () => Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(600, 1)])],
    ['zeros', () => Buffer.alloc(1024)],
  ])('copies %s as it is', async (_what, make) => {
    await using engine = await createTestEngine();
    expect(await added(engine, await make())).toEqual(['d755 0:0 d', '-644 0:0 d/x.bin']);
  });

  it('does not unpack for COPY, and insists on an archive when it must be one', async () => {
    await using engine = await createTestEngine();
    const context = contextWith('a.tar', await tarOf(members));
    expect(listing(await engine.copy({ sources: [from('a.tar')], destination: '/d/' }, [context]))).toEqual([
      'd755 0:0 d',
      '-644 0:0 d/a.tar',
    ]);
    const required = engine.copy({ sources: [from('t', 0, { unpack: 'always' })], destination: '/d/' }, [
      contextOf([file('t', 'text')]),
    ]);
    await expect(required).rejects.toSatisfy((error: unknown) => isBuildError(error, 'ARCHIVE_INVALID'));
  });

  it('lets --chown override all owners, and says that --chmod does nothing', async () => {
    await using engine = await createTestEngine();
    expect(await added(engine, await tarOf(members), { chown: '7:8' })).toEqual([
      'd755 7:8 d',
      'd750 7:8 d/sub',
      '-4711 7:8 d/sub/f',
    ]);
    const context = contextWith('a.tar', await tarOf(members));
    const tree = await engine.copy({ sources: [auto('a.tar')], destination: '/d/', chmod: '600' }, [context]);
    expect(listing(tree)).toEqual(unpacked);
    expect(engine.events).toMatchObject([{ kind: 'warning', code: 'ChmodOfArchive' }]);
  });

  it('merges directories, and lets the archive win a conflict of types', async () => {
    await using engine = await createTestEngine();
    const base: OpResult = {
      kind: 'layers',
      layers: [
        await engine.layer([
          directory('d'),
          directory('d/dir'),
          file('d/dir/old'),
          directory('d/was-dir'),
          file('d/was-dir/x'),
          file('d/was-file'),
          symlink('d/was-link', 'dir'),
        ]),
      ],
    };
    const archive = await tarOf([
      directory('dir'),
      file('dir/new'),
      file('was-dir'),
      directory('was-file'),
      file('was-file/y'),
      directory('was-link'),
    ]);
    expect((await added(engine, archive, { base })).map((line) => line.replace(/^(.)\S+ \S+ /, '$1 '))).toEqual([
      'd d',
      'd d/dir',
      '- d/dir/new',
      '- d/dir/old',
      '- d/was-dir',
      'd d/was-file',
      '- d/was-file/y',
      'd d/was-link',
    ]);
  });

  it('keeps hard links and attributes', async () => {
    await using engine = await createTestEngine();
    const xattrs = new Map([['user.note', new Uint8Array([104, 105])]]);
    const archive = await tarOf([
      file('a', 'x', { xattrs }),
      { entry: entry('b', { type: 'hardlink', linkTarget: 'a' }) },
    ]);
    const tree = await engine.copy({ sources: [auto('x')], destination: '/d/' }, [contextWith('x', archive)]);
    expect(tree.linkId('d/b')).toBe(tree.linkId('d/a'));
    expect(tree.linkId('d/a')).toBeDefined();
    expect([...(tree.stat('d/a')?.xattrs?.get('user.note') ?? [])]).toEqual([104, 105]);
  });

  it('writes through links inside the destination only', async () => {
    await using engine = await createTestEngine();
    const archive = await tarOf([symlink('link', '/etc'), file('link/passwd', 'x')]);
    const lines = await added(engine, archive);
    expect(lines).toContain('-644 0:0 d/etc/passwd');
    expect(lines).toContain('s777 0:0 d/link -> /etc');
  });

  it('gives links the mode that they have on a disk, whatever the archive says', async () => {
    await using engine = await createTestEngine();
    const link = { entry: entry('link', { type: 'symlink', mode: 0o644, linkTarget: 'x' }) };
    expect(await added(engine, await tarOf([link]))).toContain('s777 0:0 d/link -> x');
  });

  it('refuses links that lead out of the destination', async () => {
    await using engine = await createTestEngine();
    const work = added(engine, await tarOf([symlink('sub/link', '../../out')]));
    await expect(work).rejects.toSatisfy((error: unknown) => isBuildError(error, 'ARCHIVE_UNSAFE'));
    expect(await added(engine, await tarOf([symlink('sub/link', '../inside')]))).toContain(
      's777 0:0 d/sub/link -> ../inside',
    );
  });
});
