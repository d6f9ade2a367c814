import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type LayerItem, writeLayer } from '../../archive/index.ts';
import { createTestEngine, directory, entry, file, symlink, type TestEngine } from '../test-engine.fixture.ts';
import { fetchContext } from './fetch-context.ts';

async function tarOf(items: readonly LayerItem[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await writeLayer(items, { write: (bytes) => void chunks.push(Buffer.from(bytes)) });
  return Buffer.concat(chunks);
}

async function* streamOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
}

function unpack(engine: TestEngine, bytes: Buffer): Promise<string> {
  return fetchContext({ store: engine.env.store }, { kind: 'tar', stream: streamOf(bytes) }, engine.context);
}

describe('fetchContext() of a tar', () => {
  const items = [
    file('Dockerfile', 'FROM scratch\n'),
    directory('d', { mode: 0o555, mtime: 1000 }),
    file('d/x', 'content', { mode: 0o4755, mtime: 2000, uid: 12345 }),
    { entry: entry('d/y', { type: 'hardlink', linkTarget: 'd/x' }) },
    symlink('link', '../../etc/passwd'),
    { entry: entry('null', { type: 'char', device: { major: 1, minor: 3 } }) },
  ];

  it.each(['plain', 'gzip'])('unpacks it as an ordinary user, %s', async (kind) => {
    await using engine = await createTestEngine();
    const tar = await tarOf(items);
    const path = await unpack(engine, kind === 'gzip' ? gzipSync(tar) : tar);
    expect(readdirSync(path).sort()).toEqual(['Dockerfile', 'd', 'link']);
    expect(readFileSync(join(path, 'd/x'), 'utf8')).toBe('content');
    expect(statSync(join(path, 'd/x')).mode & 0o7777).toBe(0o4755);
    expect(statSync(join(path, 'd/x')).ino).toBe(statSync(join(path, 'd/y')).ino);
    expect([statSync(join(path, 'd')).mtimeMs, statSync(join(path, 'd/x')).mtimeMs]).toEqual([1_000_000, 2_000_000]);
    expect(readlinkSync(join(path, 'link'))).toBe('../../etc/passwd');
  });

  it('does not unpack the same bytes twice', async () => {
    await using engine = await createTestEngine();
    const tar = await tarOf([file('same')]);
    const first = await unpack(engine, tar);
    const { ino } = lstatSync(join(first, 'same'));
    expect(await unpack(engine, tar)).toBe(first);
    expect(lstatSync(join(first, 'same')).ino).toBe(ino);
  });

  it('lets the last of two entries count', async () => {
    await using engine = await createTestEngine();
    const path = await unpack(
      engine,
      await tarOf([file('a', 'one'), directory('b'), file('b/x'), file('a', 'two'), file('b', 'now a file')]),
    );
    expect([readFileSync(join(path, 'a'), 'utf8'), readFileSync(join(path, 'b'), 'utf8')]).toEqual([
      'two',
      'now a file',
    ]);
  });

  it('writes nothing through a link', async () => {
    await using engine = await createTestEngine();
    const work = unpack(engine, await tarOf([symlink('out', engine.directory), file('out/pwned', 'x')]));
    await expect(work).rejects.toMatchObject({ code: expect.stringMatching(/^ARCHIVE_/) });
    expect(existsSync(join(engine.directory, 'pwned'))).toBe(false);
  });

  it('says what is no tar', async () => {
    await using engine = await createTestEngine();
    await expect(unpack(engine, Buffer.from('FROM scratch\n'))).rejects.toMatchObject({ code: 'CONTEXT_INVALID' });
  });
});

describe('fetchContext() of a URL', () => {
  it('takes a tar, or a lone Dockerfile', async () => {
    await using engine = await createTestEngine();
    const tar = gzipSync(await tarOf([file('Dockerfile', 'FROM a'), file('src/x')]));
    const server = createServer((request, response) => response.end(request.url === '/c.tgz' ? tar : 'FROM b\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const open = (url: string): Promise<string> =>
        fetchContext({ store: engine.env.store }, { kind: 'url', url }, engine.context);
      expect(readdirSync(await open(`${base}/c.tgz`)).sort()).toEqual(['Dockerfile', 'src']);
      const lone = await open(`${base}/Dockerfile`);
      expect([readdirSync(lone), readFileSync(join(lone, 'Dockerfile'), 'utf8')]).toEqual([['Dockerfile'], 'FROM b\n']);
      await expect(open('ftp://host/x')).rejects.toMatchObject({ code: 'CONTEXT_INVALID' });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
