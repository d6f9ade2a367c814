import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { isBuildError } from '../core/index.ts';
import type { Content, Entry, LayerEntry, LayerItem } from './entry.ts';
import { indexLayer, readContent, readTar, writeLayer } from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'zlayer-tar-'));
afterAll(() => rmSync(directory, { recursive: true }));

const file = (path: string, text = '', more: Partial<Entry> = {}): LayerEntry => {
  const bytes = Buffer.from(text, 'latin1');
  const entry: Entry = { path, type: 'file', mode: 0o644, uid: 0, gid: 0, sizeBytes: bytes.length, mtime: 1, ...more };
  return bytes.length === 0 ? { entry } : { entry, content: { kind: 'bytes', bytes } };
};
const other = (path: string, type: Entry['type'], more: Partial<Entry> = {}): LayerEntry => ({
  entry: { path, type, mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtime: 1, ...more },
});

async function tarOf(items: Iterable<LayerItem>, options = {}): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await writeLayer(items, { write: (bytes) => void chunks.push(Buffer.from(bytes)) }, options);
  return Buffer.concat(chunks);
}

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readAll(bytes: Uint8Array, chunkBytes = 1 << 16): Promise<{ entry: Entry; body: Buffer }[]> {
  const found: { entry: Entry; body: Buffer }[] = [];
  for await (const { entry, body } of readTar(chunked(bytes, chunkBytes))) {
    const parts: Buffer[] = [];
    for await (const part of body) parts.push(Buffer.from(part));
    found.push({ entry, body: Buffer.concat(parts) });
  }
  return found;
}

const bytesOf = (content: Content | undefined): Buffer =>
  content?.kind === 'bytes' ? Buffer.from(content.bytes) : Buffer.alloc(0);

/** A component of any bytes but NUL and slash, short or longer than a header's name field. */
const component = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((text) => Buffer.from(text).toString('latin1')),
    fc.integer({ min: 90, max: 255 }).map((length) => 'n'.repeat(length)),
  )
  .map((name) => name.replace(/[\0/]/g, '_'))
  .filter((name) => name !== '.' && name !== '..' && name !== '' && !name.startsWith('.wh.'));
const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const xattrs = fc.dictionary(
  fc.stringMatching(/^(user|security|trusted)\.[a-z_%.]{1,20}$/),
  fc.uint8Array({ maxLength: 40 }),
  { maxKeys: 3 },
);
const owner = fc.oneof(fc.nat(0o7777777), fc.integer({ min: 0, max: 0xffffffff }));
const linkText = fc
  .uint8Array({ minLength: 1, maxLength: 150 })
  .map((b) => Buffer.from(b).toString('latin1').replaceAll('\0', '_'));
const layerEntry: fc.Arbitrary<LayerEntry> = fc
  .record({
    path,
    type: fc.constantFrom<Entry['type']>('file', 'directory', 'symlink', 'char', 'block', 'fifo'),
    mode: fc.nat(0o7777),
    uid: owner,
    gid: owner,
    mtime: fc.oneof(fc.integer({ min: -1e9, max: 4e9 }), fc.constantFrom(-1, 0, 8589934591, 8589934592, 1e11)),
    text: fc.uint8Array({ maxLength: 1500 }),
    linkText,
    major: fc.nat(4095),
    minor: fc.nat(1048575),
    xattrs,
  })
  .map((a) => {
    const base = { path: a.path, type: a.type, mode: a.mode, uid: a.uid, gid: a.gid, mtime: a.mtime };
    const attributes = Object.keys(a.xattrs).length === 0 ? {} : { xattrs: new Map(Object.entries(a.xattrs)) };
    const isDevice = a.type === 'char' || a.type === 'block';
    const entry: Entry = {
      ...base,
      sizeBytes: a.type === 'file' ? a.text.length : 0,
      ...(a.type === 'symlink' ? { linkTarget: a.linkText } : {}),
      ...(isDevice ? { device: { major: a.major, minor: a.minor } } : {}),
      ...attributes,
    };
    return a.type === 'file' && a.text.length > 0 ? { entry, content: { kind: 'bytes', bytes: a.text } } : { entry };
  });

/** No entry lies below another one. */
const entries = fc
  .array(layerEntry, { maxLength: 8 })
  .map((list) => list.map(({ entry, ...rest }, i) => ({ ...rest, entry: { ...entry, path: `${i}${entry.path}` } })));

describe('writeLayer() and readTar()', () => {
  it('give back every entry with all its metadata and bytes, at any chunk size', async () => {
    await fc.assert(
      fc.asyncProperty(entries, fc.integer({ min: 1, max: 3000 }), async (items, chunk) => {
        const found = await readAll(await tarOf(items), chunk);
        expect(found.map(({ entry }) => entry)).toEqual(items.map(({ entry }) => entry));
        expect(found.map(({ body }) => body)).toEqual(items.map(({ content }) => bytesOf(content)));
      }),
      { numRuns: 150 },
    );
  });

  it('write equal bytes for equal items', async () => {
    await fc.assert(
      fc.asyncProperty(entries, async (items) => {
        expect((await tarOf(items)).equals(await tarOf(items))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

describe('readTar() and indexLayer()', () => {
  it('give a result or a BuildError for an archive with damaged bytes, and agree', async () => {
    const tar = join(directory, 'damaged.tar');
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(entries, damage, fc.boolean(), async (items, places, cut) => {
        const bytes = await tarOf(items);
        for (const [place, value] of places) bytes[place % bytes.length] = value;
        const damaged = cut ? bytes.subarray(0, places[0]![0] % bytes.length) : bytes;
        writeFileSync(tar, damaged);
        const streamed = await readAll(damaged, 999).catch((error: unknown) => error);
        const failure = streamed instanceof Error ? streamed : undefined;
        if (failure !== undefined) expect(isBuildError(failure)).toBe(true);
        try {
          indexLayer(tar, { whiteouts: false });
          if (failure !== undefined) expect(failure.message).toMatch(/ends|inside/);
        } catch (error) {
          expect(isBuildError(error)).toBe(true);
          if (failure === undefined) expect((error as Error).message).toMatch(/lies below|root is not/);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('indexLayer()', () => {
  it('equals the table that writing the layer made', async () => {
    const tar = join(directory, 'indexed.tar');
    await fc.assert(
      fc.asyncProperty(entries, async (items) => {
        const chunks: Buffer[] = [];
        const { toc, sizeBytes } = await writeLayer(items, { write: (bytes) => void chunks.push(Buffer.from(bytes)) });
        const bytes = Buffer.concat(chunks);
        expect(sizeBytes).toBe(bytes.length);
        writeFileSync(tar, bytes);
        const indexed = indexLayer(tar);
        expect(indexed.bytes.equals(toc.bytes)).toBe(true);
        for (const { entry, content } of items) {
          const node = indexed.find(entry.path)!;
          expect(indexed.entry(node)).toEqual(entry);
          const found = Buffer.concat([...readContent(indexed.content(node, tar), entry.sizeBytes)]);
          expect(found.equals(bytesOf(content))).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('writeLayer()', () => {
  it('writes 1024 zero bytes for no items', async () => {
    expect((await tarOf([])).equals(Buffer.alloc(1024))).toBe(true);
  });

  it('writes plain ustar headers where they suffice', async () => {
    const tar = await tarOf([file(`${'d'.repeat(100)}/${'f'.repeat(99)}`, 'x')]);
    expect(tar.length).toBe(512 * 2 + 1024);
  });

  it('truncates times and clamps late ones', async () => {
    const tar = await tarOf([file('a', '', { mtime: 5.9 }), file('b', '', { mtime: 50 })], { clampMtime: 10 });
    expect((await readAll(tar)).map(({ entry }) => entry.mtime)).toEqual([5, 10]);
  });

  it('writes whiteouts and opaque marks as empty files', async () => {
    const tar = await tarOf([{ whiteout: 'etc/passwd' }, { opaque: 'var' }, { opaque: '' }, { whiteout: 'x' }]);
    expect((await readAll(tar)).map(({ entry }) => [entry.path, entry.mode, entry.mtime])).toEqual([
      ['etc/.wh.passwd', 0, 0],
      ['var/.wh..wh..opq', 0, 0],
      ['.wh..wh..opq', 0, 0],
      ['.wh.x', 0, 0],
    ]);
  });

  it.each(['.wh.a', 'b/.wh.a', 'b/.wh.c/d'])('refuses the name %s', async (name) => {
    await expect(tarOf([file(name)])).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('.wh.'),
    });
  });

  it.each([
    ['shorter', 3, /only 3 of 4 bytes/],
    ['longer', 5, /more than 4 bytes/],
  ])('refuses a host file that became %s', async (_, length, message) => {
    const path = join(directory, 'changing');
    writeFileSync(path, 'x'.repeat(length));
    const item: LayerEntry = { ...file('a', '1234'), content: { kind: 'host-file', path } };
    await expect(tarOf([item])).rejects.toMatchObject({
      code: 'CONTEXT_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it('refuses a host file that is gone, naming it', async () => {
    const item: LayerEntry = { ...file('a', '1'), content: { kind: 'host-file', path: join(directory, 'gone') } };
    await expect(tarOf([item])).rejects.toMatchObject({
      code: 'CONTEXT_INVALID',
      message: expect.stringContaining('gone'),
    });
  });

  it('stops when the signal aborts', async () => {
    const controller = new AbortController();
    const big = file('a', 'x'.repeat(17 << 20));
    function* items(): Generator<LayerEntry> {
      yield big;
      controller.abort();
      yield big;
      yield big;
      throw new Error('not stopped');
    }
    await expect(tarOf(items(), { signal: controller.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('makes archives that GNU tar unpacks to the same tree', async () => {
    const long = `${'d'.repeat(120)}/${'é'.repeat(60)}`;
    const raw = Buffer.from([0x66, 0xe9, 0xff]).toString('latin1');
    const tar = join(directory, 'gnu.tar');
    const items = [
      other('d'.repeat(120), 'directory'),
      file(Buffer.from(long).toString('latin1'), 'long', { mode: 0o600 }),
      file(raw, 'raw'),
      other('link', 'symlink', { linkTarget: 'x'.repeat(200) }),
      other('hard', 'hardlink', { linkTarget: raw }),
    ];
    writeFileSync(tar, await tarOf(items));
    const target = mkdtempSync(join(directory, 'gnu-'));
    execFileSync('tar', ['-xpf', tar, '-C', target]);
    const at = (name: string): Buffer => Buffer.concat([Buffer.from(`${target}/`), Buffer.from(name, 'latin1')]);
    expect(readFileSync(at(Buffer.from(long).toString('latin1')), 'utf8')).toBe('long');
    expect(readFileSync(at(raw), 'utf8')).toBe('raw');
    expect(readFileSync(at('hard'), 'utf8')).toBe('raw');
    expect(execFileSync('readlink', [`${target}/link`], { encoding: 'utf8' }).trim()).toBe('x'.repeat(200));
  });
});

describe('readTar()', () => {
  it.each([
    [200, /too early/],
    [700, /inside the content|too early/],
  ])('tells where an archive of %i bytes is cut off', async (length, message) => {
    const tar = await tarOf([file('a', 'x'.repeat(1000))]);
    const error = await readAll(tar.subarray(0, length)).catch((e: unknown) => e);
    expect(isBuildError(error, 'ARCHIVE_INVALID')).toBe(true);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(String(length));
  });

  it('tells where a header is damaged', async () => {
    const tar = await tarOf([file('a', 'x'), file('b')]);
    tar[1024]! ^= 1;
    await expect(readAll(tar)).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('byte 1024'),
    });
  });

  it.each(['../x', 'a/../../x', '/..'])('refuses the name %s', async (name) => {
    const tar = rawTar({ name });
    await expect(readAll(tar)).rejects.toMatchObject({ code: 'ARCHIVE_UNSAFE' });
  });

  it.each([
    ['./a/./b//c/', 'a/b/c'],
    ['/etc', 'etc'],
    ['./', ''],
  ])('reads the name %s as "%s"', async (name, expected) => {
    const [member] = await readAll(rawTar({ name, typeFlag: '5' }));
    expect(member!.entry.path).toBe(expected);
  });

  it('bounds the size of extended headers', async () => {
    const tar = rawTar({ name: 'x', typeFlag: 'x', size: 2 << 20 });
    await expect(readAll(tar)).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('2097152'),
    });
  });

  it('takes the size of links and directories for nothing', async () => {
    const tar = Buffer.concat([rawTar({ name: 'h', typeFlag: '1', link: 'f', size: 100 }), rawTar({ name: 'g' })]);
    expect((await readAll(tar)).map(({ entry }) => [entry.path, entry.sizeBytes])).toEqual([
      ['h', 0],
      ['g', 0],
    ]);
  });
});

/** A v7 header, as old tars wrote it: no magic, numbers with a space behind them. */
function rawTar(fields: { name: string; typeFlag?: string; link?: string; size?: number }): Buffer {
  const block = Buffer.alloc(512);
  block.write(fields.name, 0, 'latin1');
  block.write('   644 \0', 100);
  block.write('     0 \0', 108);
  block.write('     0 \0', 116);
  block.write(`${(fields.size ?? 0).toString(8).padStart(11)} `, 124);
  block.write(`${(1).toString(8).padStart(11)} `, 136);
  block.write('        ', 148);
  block.write(fields.typeFlag ?? '0', 156);
  block.write(fields.link ?? '', 157);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6)}\0 `, 148);
  return block;
}
