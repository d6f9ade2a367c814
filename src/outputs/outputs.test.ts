import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readTar } from '../archive/index.ts';
import { type BuildEvent, digestOf } from '../core/index.ts';
import { type Descriptor, type Index, type Manifest, MEDIA_TYPES, readImage } from '../oci/index.ts';
import { openStore, type Store } from '../store/index.ts';
import {
  compressLayers,
  importRootfs,
  loadArchive,
  saveImages,
  writeDestination,
  writeDockerOutput,
  writeLocalOutput,
  writeOciOutput,
  writeTarOutput,
} from './index.ts';
import { encodeRootfs } from './tar/write-output.ts';
import { collect, TEST_CONTEXT as context, put, putTestImage, testEntry, testFile } from './test-image.ts';

let base: string;
let store: Store;
let image: Descriptor;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'outputs-'));
  store = await openStore({ root: join(base, 'store') });
  image = await putTestImage(store);
});
afterEach(() => {
  for (const path of ['out', 'out/srv']) if (existsSync(join(base, path))) chmodSync(join(base, path), 0o755);
  rmSync(base, { recursive: true, force: true });
});

const NAME = 'docker.io/library/app:latest';
const OTHER = 'example.com/team/app:1.0';
const idOf = ({ digest, size }: Descriptor) => ({ digest, sizeBytes: size });
const other = (): Promise<Store> => openStore({ root: join(base, 'other') });
const leftovers = (): readonly string[] => readdirSync(base).filter((name) => name.startsWith('.zlayer-'));
async function* bytesOf(...parts: ReadonlyArray<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}
async function listTar(
  bytes: AsyncIterable<Uint8Array>,
): Promise<ReadonlyMap<string, { mode: number; uid: number; type: string; text: string; link: string | undefined }>> {
  const found = new Map();
  for await (const member of readTar(bytes)) {
    const { path, mode, uid, type, linkTarget } = member.entry;
    const text = (member.takeBuffered() ?? (await collect(member.body))).toString('latin1');
    found.set(path, { mode, uid, type, text, link: linkTarget });
  }
  return found;
}

describe('compressLayers()', () => {
  it('gives a manifest with gzip layers that hold the same bytes', async () => {
    const compressed = await compressLayers(store, { descriptor: image, compression: 'gzip' }, context);
    const before = await readImage(store.blobs, image);
    const after = await readImage(compressed.source, compressed.descriptor);
    expect(after.manifest.config).toEqual(before.manifest.config);
    for (const [at, { blob, diffId }] of after.layers.entries()) {
      expect(blob.mediaType).toBe(MEDIA_TYPES.ociLayerGzip);
      const bytes = await collect(compressed.source.open(idOf(blob)));
      expect(bytes.length).toBe(blob.size);
      expect(digestOf(bytes)).toBe(blob.digest);
      expect(digestOf(gunzipSync(bytes))).toBe(diffId);
      expect(before.layers[at]?.diffId).toBe(diffId);
    }
    await compressed.close();
  });

  it('knows the second time what a layer becomes, and makes it again when it was pruned', async () => {
    await store.images.set([NAME], image);
    const first = await compressLayers(store, { descriptor: image, compression: 'gzip' }, context);
    const { layers } = await readImage(first.source, first.descriptor);
    await first.close();
    await store.prune({});
    const blob = layers[1]?.blob as Descriptor;
    expect(await store.blobs.has(idOf(blob))).toBe(false);
    const events: BuildEvent[] = [];
    const watched = { ...context, emit: (event: BuildEvent) => events.push(event) };
    const second = await compressLayers(store, { descriptor: image, compression: 'gzip' }, watched);
    expect(second.descriptor).toEqual(first.descriptor);
    expect(events).toEqual([]);
    expect(digestOf(await collect(second.source.open(idOf(blob))))).toBe(blob.digest);
    expect((await collect(second.source.open(idOf(blob), { offset: blob.size - 3 }))).length).toBe(3);
    await second.close();
  });

  it('leaves compressed layers, and documents in which nothing changes, as they are', async () => {
    const gz = await store.blobs.put(gzipSync('layer'));
    const config = await put(store, MEDIA_TYPES.ociConfig, {
      rootfs: { type: 'layers', diff_ids: [digestOf('layer')] },
    });
    const layer = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: gz.digest, size: gz.sizeBytes };
    const pulled = await put(store, MEDIA_TYPES.ociManifest, { layers: [layer], config, schemaVersion: 2 });
    const result = await compressLayers(store, { descriptor: pulled, compression: 'gzip' }, context);
    expect(result.descriptor).toEqual(pulled);
    await result.close();
  });

  it('changes the manifests of an index, but for platforms that are not here', async () => {
    const absent = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf('absent'), size: 6 };
    const index = await put(store, MEDIA_TYPES.ociIndex, { schemaVersion: 2, manifests: [image, absent] });
    const result = await compressLayers(store, { descriptor: index, compression: 'gzip' }, context);
    const changed = JSON.parse((await collect(result.source.open(idOf(result.descriptor)))).toString()) as Index;
    expect(changed.manifests[1]).toEqual(absent);
    const child = JSON.parse(
      (await collect(result.source.open(idOf(changed.manifests[0] as Descriptor)))).toString(),
    ) as Manifest;
    expect(child.layers.map((layer) => layer.mediaType)).toEqual([MEDIA_TYPES.ociLayerGzip, MEDIA_TYPES.ociLayerGzip]);
    await result.close();
  });

  it('stops when it is cancelled and leaves nothing half-made', async () => {
    const signal = AbortSignal.abort();
    const attempt = compressLayers(store, { descriptor: image, compression: 'gzip' }, { ...context, signal });
    await expect(attempt).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(readdirSync(join(store.root, 'zlayer/leases'))).toEqual([]);
  });
});

describe('saveImages() and loadArchive()', () => {
  it.each(['docker', 'oci'] as const)('carry images in the %s format with their names and digests', async (format) => {
    const second = await putTestImage(store, [[testFile('only', 'one layer')]]);
    const images = [
      { descriptor: image, references: [NAME, OTHER] },
      { descriptor: second, references: ['docker.io/me/second:2'] },
    ];
    const target = await other();
    const loaded = await loadArchive(
      { store: target },
      saveImages({ store }, { images, format, compression: 'none' }, context),
      context,
    );
    expect(loaded).toEqual(images);
    expect((await target.images.get(OTHER))?.descriptor).toEqual(image);
    const { layers } = await readImage(target.blobs, image);
    for (const { blob } of layers) expect(await target.blobs.has(idOf(blob))).toBe(true);
    expect((await target.prune({})).removed).toEqual([]);
  });

  it('give the same archive for the same images', async () => {
    const images = [{ descriptor: image, references: [NAME] }];
    const archive = (format: 'docker' | 'oci') => collect(saveImages({ store }, { images, format }, context));
    expect(digestOf(await archive('oci'))).toBe(digestOf(await archive('oci')));
    expect(digestOf(await archive('docker'))).toBe(digestOf(await archive('docker')));
  });

  it('know compressed archives', async () => {
    const bytes = await collect(
      saveImages({ store }, { images: [{ descriptor: image, references: [NAME] }], format: 'docker' }, context),
    );
    const target = await other();
    expect(await loadArchive({ store: target }, bytesOf(gzipSync(bytes)), context)).toEqual([
      { descriptor: image, references: [NAME] },
    ]);
  });
});

describe('writeDockerOutput()', () => {
  it('writes the names and paths that docker load reads', async () => {
    const destination = join(base, 'image.tar');
    await writeDockerOutput(
      { store },
      { images: [{ descriptor: image, references: [NAME, OTHER] }], destination, compression: 'none' },
      context,
    );
    const files = await listTar(bytesOf(readFileSync(destination)));
    const { manifest } = await readImage(store.blobs, image);
    const path = (descriptor: Descriptor): string => `blobs/sha256/${descriptor.digest.slice(7)}`;
    expect(JSON.parse(files.get('manifest.json')?.text ?? '')).toEqual([
      {
        Config: path(manifest.config),
        RepoTags: ['app:latest', 'example.com/team/app:1.0'],
        Layers: manifest.layers.map(path),
      },
    ]);
    const top = manifest.layers[1]?.digest.slice(7);
    expect(JSON.parse(files.get('repositories')?.text ?? '')).toEqual({
      app: { latest: top },
      'example.com/team/app': { '1.0': top },
    });
    for (const part of [manifest.config, ...manifest.layers])
      expect(digestOf(Buffer.from(files.get(path(part))?.text ?? '', 'latin1'))).toBe(part.digest);
  });
});

describe('loadArchive()', () => {
  it('makes a manifest for the older docker format, shared layers being links, and keeps the image id', async () => {
    const { manifest } = await readImage(store.blobs, image);
    const bytes = async (descriptor: Descriptor): Promise<Buffer> => store.blobs.read(idOf(descriptor));
    const [first, second] = manifest.layers as [Descriptor, Descriptor];
    const ingest = await store.blobs.ingest();
    const { writeLayer } = await import('../archive/index.ts');
    const file = (path: string, content: Buffer) => ({
      entry: { path, type: 'file', mode: 0o644, uid: 0, gid: 0, sizeBytes: content.length, mtime: 0 } as const,
      content: { kind: 'bytes', bytes: content } as const,
    });
    const tags = JSON.stringify([
      { Config: 'abc.json', RepoTags: ['app:latest', '<none>:<none>'], Layers: ['1/layer.tar', '2/layer.tar'] },
    ]);
    await writeLayer(
      [
        testEntry('2', 'directory'),
        testEntry('2/layer.tar', 'symlink', { linkTarget: '../0/layer.tar' }),
        testEntry('0', 'directory'),
        file('0/layer.tar', await bytes(second)),
        testEntry('1', 'directory'),
        file('1/layer.tar', gzipSync(await bytes(first))),
        file('1/VERSION', Buffer.from('1.0')),
        file('abc.json', await bytes(manifest.config)),
        file('manifest.json', Buffer.from(tags)),
      ],
      ingest,
    );
    const archive = await ingest.commit();
    const target = await other();
    const [loaded] = await loadArchive({ store: target }, store.blobs.path(archive.digest), context);
    expect(loaded?.references).toEqual([NAME]);
    const after = await readImage(target.blobs, loaded?.descriptor as Descriptor);
    expect(after.manifest.config.digest).toBe(manifest.config.digest);
    expect(after.layers.map(({ blob }) => blob.mediaType)).toEqual([MEDIA_TYPES.ociLayerGzip, MEDIA_TYPES.ociLayer]);
    const tree = await listTar(encodeRootfs({ store: target }, { descriptor: after.descriptor }, context));
    expect(tree.get('bin/tool')?.text).toContain('echo tool');
  });

  it('refuses a layer that is not what the config says, and names nothing', async () => {
    const bytes = await collect(
      saveImages({ store }, { images: [{ descriptor: image, references: [NAME] }], format: 'docker' }, context),
    );
    const broken = Buffer.from(bytes);
    broken[broken.indexOf('echo tool')] = 0x45;
    const target = await other();
    await expect(loadArchive({ store: target }, bytesOf(broken), context)).rejects.toMatchObject({
      code: 'BLOB_DIGEST_MISMATCH',
    });
    expect(await target.images.list()).toEqual([]);
  });

  it('tells what is missing', async () => {
    const target = await other();
    const load = (input: AsyncIterable<Uint8Array> | string) => loadArchive({ store: target }, input, context);
    await expect(load(encodeRootfs({ store }, { descriptor: image }, context))).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      hint: expect.stringContaining('zlayer import'),
    });
    await expect(load(join(base, 'nothing.tar'))).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
    await expect(load(base)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    await writeOciOutput(
      { store },
      {
        images: [{ descriptor: image, references: [NAME] }],
        destination: join(base, 'layout'),
        tar: false,
        compression: 'none',
      },
      context,
    );
    const { layers } = await readImage(store.blobs, image);
    rmSync(join(base, 'layout/blobs/sha256', layers[0]?.diffId.slice(7) ?? ''));
    await expect(load(join(base, 'layout'))).rejects.toMatchObject({ code: 'BLOB_MISSING' });
    expect(await target.images.list()).toEqual([]);
  });

  it('refuses a layout of a version that it does not know', async () => {
    const layout = join(base, 'later');
    mkdirSync(layout);
    writeFileSync(join(layout, 'index.json'), '{"schemaVersion":2,"manifests":[]}');
    writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
    await expect(loadArchive({ store: await other() }, layout, context)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    });
  });

  it('reads no file outside of a layout through a digest that is a path', async () => {
    const layout = join(base, 'evil');
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
    writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(
      join(layout, 'index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [{ ...image, digest: 'sha256:../../../store/index.json' }] }),
    );
    await expect(loadArchive({ store: await other() }, layout, context)).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
    });
  });
});

describe('writeOciOutput()', () => {
  const write = (references: readonly string[], descriptor = image, tar = false): Promise<void> =>
    writeOciOutput(
      { store },
      { images: [{ descriptor, references }], destination: join(base, 'layout'), tar, compression: 'gzip' },
      context,
    );

  it('adds images to a layout that is there and moves names', async () => {
    await write([NAME, OTHER]);
    await write([NAME], await putTestImage(store, [[testFile('new', 'x')]]));
    const target = await other();
    const loaded = await loadArchive({ store: target }, join(base, 'layout'), context);
    expect(loaded.map((found) => found.references)).toEqual([[OTHER], [NAME]]);
    expect(leftovers()).toEqual([]);
  });

  it('leaves a directory of something else alone', async () => {
    mkdirSync(join(base, 'layout'));
    writeFileSync(join(base, 'layout/thesis.txt'), 'x');
    await expect(write([NAME])).rejects.toMatchObject({ code: 'OUTPUT_FAILED' });
    expect(readdirSync(join(base, 'layout'))).toEqual(['thesis.txt']);
  });
});

describe('writeTarOutput()', () => {
  it('writes the merged tree with owners, modes, links and odd names', async () => {
    const destination = join(base, 'rootfs.tar');
    await writeTarOutput({ store }, { descriptor: image, destination }, context);
    const files = await listTar(bytesOf(readFileSync(destination)));
    expect([...files.keys()]).toEqual([
      'bin',
      'bin/link',
      'bin/tool',
      'dev',
      'dev/null',
      'etc',
      'etc/big',
      'etc/empty',
      'etc/passwd',
      'etc/same',
      'srv',
      'srv/\u00e9\u00ff',
      'tmp',
    ]);
    expect(files.get('bin/tool')).toMatchObject({ mode: 0o4755, type: 'file' });
    expect(files.get('etc/same')).toMatchObject({ type: 'hardlink', link: 'etc/big' });
    expect(files.get('etc/big')?.text.length).toBe(3 << 20);
    expect(files.get('srv')).toMatchObject({ mode: 0o555, uid: 1000 });
    expect(files.get('dev/null')?.type).toBe('char');
    expect(leftovers()).toEqual([]);
  });

  it('streams to a writable and leaves it open', async () => {
    const stream = new PassThrough();
    const [bytes] = await Promise.all([
      collect(stream),
      writeTarOutput({ store }, { descriptor: image, destination: stream }, context).then(() => stream.end()),
    ]);
    expect((await listTar(bytesOf(bytes))).size).toBe(13);
  });

  it('works for compressed layers too', async () => {
    const compressed = await compressLayers(store, { descriptor: image, compression: 'gzip' }, context);
    const target = await other();
    const images = [{ descriptor: image, references: [NAME] }];
    const [loaded] = await loadArchive(
      { store: target },
      saveImages({ store }, { images, format: 'oci' }, context),
      context,
    );
    await compressed.close();
    expect(loaded?.descriptor).toEqual(compressed.descriptor);
    const descriptor = loaded?.descriptor as Descriptor;
    const digests = [];
    for (const at of [
      { store, descriptor: image },
      { store: target, descriptor },
    ]) {
      digests.push(digestOf(await collect(encodeRootfs({ store: at.store }, { descriptor: at.descriptor }, context))));
    }
    expect(digests[0]).toBe(digests[1]);
  });
});

describe('writeDestination()', () => {
  it('leaves the old file in place when the bytes fail', async () => {
    const path = join(base, 'file');
    writeFileSync(path, 'old');
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('lost');
    };
    await expect(writeDestination(path, failing(), context)).rejects.toThrow('lost');
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(leftovers()).toEqual([]);
  });
  it('tells how far it is', async () => {
    const events: BuildEvent[] = [];
    const parts = Array.from({ length: 3 }, () => Buffer.alloc(5 << 20));
    await writeDestination(join(base, 'file'), bytesOf(...parts), { ...context, emit: (event) => events.push(event) });
    expect(events).toMatchObject([
      { kind: 'transfer', direction: 'export', currentBytes: 10 << 20, done: false },
      { kind: 'transfer', direction: 'export', currentBytes: 15 << 20, done: true },
    ]);
  });
  it('writes through a symbolic link to the file it names, and keeps the link', async () => {
    writeFileSync(join(base, 'real'), 'old');
    symlinkSync('real', join(base, 'link'));
    await writeDestination(join(base, 'link'), bytesOf('new'), context);
    expect(readFileSync(join(base, 'real'), 'utf8')).toBe('new');
    expect(lstatSync(join(base, 'link')).isSymbolicLink()).toBe(true);
  });
  it('says which file cannot be written', async () => {
    const attempts = [join(base, 'no/such/dir/file'), base];
    for (const path of attempts) {
      await expect(writeDestination(path, bytesOf('x'), context)).rejects.toMatchObject({
        code: 'OUTPUT_FAILED',
        message: expect.stringContaining(path),
      });
    }
  });
  it('fails when the reader of a stream is gone', async () => {
    const stream = new PassThrough();
    stream.destroy(new Error('EPIPE'));
    await expect(writeDestination(stream, bytesOf('a', 'b'), context)).rejects.toMatchObject({ code: 'OUTPUT_FAILED' });
  });
});

describe('writeLocalOutput()', () => {
  const out = (path = ''): string => join(base, 'out', path);
  const write = (events: BuildEvent[] = []): Promise<void> =>
    writeLocalOutput(
      { store },
      { descriptor: image, destination: out() },
      { ...context, emit: (event) => events.push(event) },
    );

  it('writes the tree as the caller, without set-id bits, and warns of devices', async () => {
    const events: BuildEvent[] = [];
    await write(events);
    expect(statSync(out('bin/tool')).mode & 0o7777).toBe(0o755);
    expect(statSync(out('bin/tool')).uid).toBe(process.getuid?.());
    expect(statSync(out('srv')).uid).toBe(process.getuid?.());
    expect(statSync(out('srv')).mode & 0o7777).toBe(0o555);
    expect(statSync(out('tmp')).mode & 0o7777).toBe(0o1777);
    expect(statSync(out('etc')).mtimeMs).toBe(1_700_000_000_000);
    expect(readlinkSync(out('bin/link'))).toBe('../bin/tool');
    expect(statSync(out('etc/same')).ino).toBe(statSync(out('etc/big')).ino);
    expect(readdirSync(Buffer.from(out('srv')), { encoding: 'latin1' })).toEqual(['\u00e9\u00ff']);
    expect(existsSync(out('dev/null'))).toBe(false);
    expect(events).toMatchObject([
      { kind: 'warning', code: 'OUTPUT_SKIPPED', message: expect.stringContaining('/dev/null') },
    ]);
    expect(leftovers()).toEqual([]);
  });

  it('keeps what else is in the directory and replaces files of the same names', async () => {
    mkdirSync(out('etc'), { recursive: true });
    writeFileSync(out('mine'), 'kept');
    writeFileSync(out('etc/passwd'), 'old');
    await write();
    expect(readFileSync(out('mine'), 'utf8')).toBe('kept');
    expect(readFileSync(out('etc/passwd'), 'utf8')).toContain('root');
    expect(readdirSync(out()).filter((name) => name.startsWith('.zlayer-'))).toEqual([]);
  });

  it('never writes through a symbolic link that is in the directory', async () => {
    mkdirSync(join(base, 'victim'));
    mkdirSync(out());
    symlinkSync(join(base, 'victim'), out('etc'));
    await expect(write()).rejects.toMatchObject({ code: 'OUTPUT_FAILED' });
    expect(readdirSync(join(base, 'victim'))).toEqual([]);
  });
});

describe('importRootfs()', () => {
  const platform = { os: 'linux', architecture: 'amd64' };

  it('makes an image of one layer with the same tree', async () => {
    const tar = await collect(encodeRootfs({ store }, { descriptor: image }, context));
    const target = await other();
    const request = {
      bytes: bytesOf(gzipSync(tar)),
      references: [NAME],
      platform,
      config: { Cmd: ['/bin/tool'] },
      createdMs: 0,
    };
    const { descriptor } = await importRootfs({ store: target }, request, context);
    expect((await target.images.get(NAME))?.descriptor).toEqual(descriptor);
    const { config, layers } = await readImage(target.blobs, descriptor);
    expect(config).toMatchObject({
      architecture: 'amd64',
      config: { Cmd: ['/bin/tool'] },
      created: '1970-01-01T00:00:00.000Z',
    });
    expect(layers[0]?.blob.mediaType).toBe(MEDIA_TYPES.ociLayer);
    expect(await target.area('tocs').has(layers[0]?.diffId.slice(7) ?? '')).toBe(true);
    const again = await collect(encodeRootfs({ store: target }, { descriptor }, context));
    expect(digestOf(again)).toBe(digestOf(tar));
  });

  it('keeps nothing of a damaged tar', async () => {
    const target = await other();
    const tar = await collect(encodeRootfs({ store }, { descriptor: image }, context));
    const request = { bytes: bytesOf(tar.subarray(0, 5000)), references: [NAME], platform };
    await expect(importRootfs({ store: target }, request, context)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    expect(await target.images.list()).toEqual([]);
    expect(readdirSync(join(target.root, 'blobs/sha256'))).toEqual([]);
  });
});
