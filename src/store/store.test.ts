import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BlobId, digestOf } from '../core/index.ts';
import { openStore, resolveDataDir } from './index.ts';
import { putImage } from './test-images.ts';
import type { Store } from './types.ts';

let base: string;
let store: Store;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'store-'));
  store = await openStore({ root: join(base, 's') });
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

const bytesOf = async (source: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
};
async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
const idOf = (text: string): BlobId => ({ digest: digestOf(text), sizeBytes: Buffer.byteLength(text) });

describe('resolveDataDir()', () => {
  it('prefers ZLAYER_DATA_DIR, made absolute', () => {
    expect(resolveDataDir({ ZLAYER_DATA_DIR: '/data', XDG_DATA_HOME: '/x' }, 0)).toBe('/data');
    expect(resolveDataDir({ ZLAYER_DATA_DIR: 'data' }, 1000)).toBe(join(process.cwd(), 'data'));
  });
  it('is /var/lib/zlayer for root', () => {
    expect(resolveDataDir({ HOME: '/root', XDG_DATA_HOME: '/x' }, 0)).toBe('/var/lib/zlayer');
  });
  it('follows the XDG directories for a user, and ignores a relative one', () => {
    expect(resolveDataDir({ HOME: '/home/u', XDG_DATA_HOME: '/x' }, 1000)).toBe('/x/zlayer');
    expect(resolveDataDir({ HOME: '/home/u', XDG_DATA_HOME: 'x' }, 1000)).toBe('/home/u/.local/share/zlayer');
    expect(resolveDataDir({ HOME: '/home/u' }, 1000)).toBe('/home/u/.local/share/zlayer');
  });
});

describe('openStore()', () => {
  it('makes an OCI image layout that only its owner may enter', () => {
    expect(JSON.parse(readFileSync(join(store.root, 'oci-layout'), 'utf8'))).toEqual({ imageLayoutVersion: '1.0.0' });
    expect(JSON.parse(readFileSync(join(store.root, 'index.json'), 'utf8')).manifests).toEqual([]);
    expect(statSync(store.root).mode & 0o777).toBe(0o700);
  });
  it('refuses a directory of something else and leaves it alone', async () => {
    mkdirSync(join(base, 'foreign'));
    writeFileSync(join(base, 'foreign', 'thesis.txt'), 'x');
    await expect(openStore({ root: join(base, 'foreign') })).rejects.toMatchObject({ code: 'STORE_FOREIGN' });
    expect(readdirSync(join(base, 'foreign'))).toEqual(['thesis.txt']);
  });
  it('refuses the store of a newer zlayer', async () => {
    writeFileSync(join(store.root, 'zlayer', 'store.json'), '{"version":99}');
    await expect(openStore({ root: store.root })).rejects.toMatchObject({ code: 'STORE_VERSION' });
  });
  it('finishes a store whose making was cut short at any point, and adopts an OCI layout', async () => {
    const image = await putImage(store, { layers: ['one'] });
    await store.images.set(['docker.io/library/a:latest'], image.descriptor);
    for (const lost of ['zlayer/store.json', 'oci-layout', 'zlayer/leases', 'zlayer']) {
      rmSync(join(store.root, lost), { recursive: true });
      rmSync(join(store.root, 'zlayer/store.json'), { force: true });
      const again = await openStore({ root: store.root });
      expect((await again.images.get('docker.io/library/a:latest'))?.descriptor).toEqual(image.descriptor);
      await (await again.openLease()).release();
    }
  });
  it('says what is wrong where it may not write', async () => {
    writeFileSync(join(base, 'file'), '');
    await expect(openStore({ root: join(base, 'file') })).rejects.toThrow();
    if (process.getuid?.() === 0) return;
    mkdirSync(join(base, 'locked'), { mode: 0o500 });
    await expect(openStore({ root: join(base, 'locked', 's') })).rejects.toMatchObject({ code: 'STORE_PERMISSION' });
  });
});

describe('BlobStore', () => {
  it('keeps bytes under their digest and gives them back from any offset', async () => {
    const blob = await store.blobs.put(Buffer.from('hello'));
    expect(blob).toEqual(idOf('hello'));
    expect((await store.blobs.read(blob)).toString()).toBe('hello');
    expect((await bytesOf(store.blobs.open(blob, { offset: 2 }))).toString()).toBe('llo');
    expect(await store.blobs.stat(blob.digest)).toEqual(blob);
    expect(store.blobs.path(blob.digest)).toBe(join(store.root, 'blobs/sha256', blob.digest.slice(7)));
  });
  it('keeps nothing when the bytes are not those of the digest', async () => {
    const expected = idOf('right');
    await expect(store.blobs.write(expected, chunks('wr', 'ong'))).rejects.toMatchObject({
      code: 'BLOB_DIGEST_MISMATCH',
      facts: { expected: expected.digest, actual: digestOf('wrong') },
    });
    expect(readdirSync(join(store.root, 'blobs/sha256'))).toEqual([]);
    expect(filesBelow(join(store.root, 'zlayer/tmp'))).toEqual([]);
  });
  it('keeps nothing when the source breaks', async () => {
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('lost');
    };
    await expect(store.blobs.write(idOf('halfway'), broken())).rejects.toThrow('lost');
    expect(filesBelow(join(store.root, 'zlayer/tmp'))).toEqual([]);
  });
  it('takes a blob of the wrong size for absent and replaces it', async () => {
    const blob = await store.blobs.put(Buffer.from('content'));
    truncateSync(store.blobs.path(blob.digest), 3);
    expect(await store.blobs.has(blob)).toBe(false);
    await expect(store.blobs.read(blob)).rejects.toMatchObject({ code: 'BLOB_MISSING' });
    await expect(store.sync([blob])).rejects.toMatchObject({ code: 'BLOB_MISSING' });
    await store.blobs.write(blob, chunks('con', 'tent'));
    expect((await store.blobs.read(blob)).toString()).toBe('content');
  });
  it('notices changed bytes of the right size when it reads a whole blob', async () => {
    const blob = await store.blobs.put(Buffer.from('content'));
    writeFileSync(store.blobs.path(blob.digest), 'CONTENT');
    await expect(store.blobs.read(blob)).rejects.toMatchObject({ code: 'BLOB_DIGEST_MISMATCH' });
  });
  it('takes sha512 blobs', async () => {
    const digest = `sha512:${(await import('node:crypto')).createHash('sha512').update('x').digest('hex')}` as const;
    await store.blobs.write({ digest, sizeBytes: 1 }, chunks('x'));
    expect((await store.blobs.read({ digest, sizeBytes: 1 })).toString()).toBe('x');
  });
  it('takes the same blob from several writers at once', async () => {
    const blob = idOf('same');
    await Promise.all(Array.from({ length: 8 }, () => store.blobs.write(blob, chunks('sa', 'me'))));
    expect(await store.blobs.has(blob)).toBe(true);
    expect(filesBelow(join(store.root, 'zlayer/tmp'))).toEqual([]);
  });
  it('leaves nothing of an aborted ingest', async () => {
    const ingest = await store.blobs.ingest();
    ingest.write(Buffer.from('x'));
    await ingest.abort();
    expect(filesBelow(join(store.root, 'zlayer/tmp'))).toEqual([]);
    expect(() => ingest.write(Buffer.from('y'))).toThrow();
  });
});

describe('ImageStore', () => {
  it('sets several names at once, moves them, and keeps the image that lost its last name', async () => {
    const [one, two] = [await putImage(store, { layers: ['1'] }), await putImage(store, { layers: ['2'] })];
    await store.images.set(['docker.io/library/a:1', 'docker.io/library/a:latest'], one.descriptor);
    await store.images.set(['docker.io/library/a:latest'], two.descriptor);
    expect((await store.images.get('docker.io/library/a:1'))?.descriptor).toEqual(one.descriptor);
    expect((await store.images.get('docker.io/library/a:latest'))?.descriptor).toEqual(two.descriptor);
    expect(await store.images.remove('docker.io/library/a:1')).toBe(true);
    expect(await store.images.remove('docker.io/library/a:1')).toBe(false);
    const list = await store.images.list();
    expect(list.map((image) => [image.reference, image.descriptor.digest]).sort()).toEqual(
      [
        [undefined, one.descriptor.digest],
        ['docker.io/library/a:latest', two.descriptor.digest],
      ].sort(),
    );
    await store.images.set(['docker.io/library/b:1'], one.descriptor);
    expect((await store.images.list()).map((image) => image.reference).sort()).toEqual([
      'docker.io/library/a:latest',
      'docker.io/library/b:1',
    ]);
  });
  it('gives descriptors back as they were set, annotations and platform included', async () => {
    const { descriptor } = await putImage(store, { layers: ['1'] });
    const rich = { ...descriptor, annotations: { a: 'b' }, platform: { os: 'linux', architecture: 'amd64' } };
    await store.images.set(['docker.io/library/a:1'], rich);
    expect((await store.images.get('docker.io/library/a:1'))?.descriptor).toEqual(rich);
  });
  it('does not write what is so already', async () => {
    const { descriptor } = await putImage(store, { layers: ['1'] });
    await store.images.set(['docker.io/library/a:1'], descriptor);
    const before = statSync(join(store.root, 'index.json'));
    await store.images.set(['docker.io/library/a:1'], descriptor);
    expect(statSync(join(store.root, 'index.json')).ino).toBe(before.ino);
  });
  it('does not name a manifest that is not there', async () => {
    const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digestOf('x'), size: 1 };
    await expect(store.images.set(['docker.io/library/a:1'], descriptor)).rejects.toMatchObject({
      code: 'BLOB_MISSING',
    });
  });
  it('loses no name to concurrent changes', async () => {
    const { descriptor } = await putImage(store, { layers: ['1'] });
    const names = Array.from({ length: 20 }, (_, n) => `docker.io/library/a:${n}`);
    const stores = await Promise.all(names.map(() => openStore({ root: store.root })));
    await Promise.all(names.map((name, n) => stores[n]?.images.set([name], descriptor)));
    expect((await store.images.list()).length).toBe(20);
  });
  it('reports a damaged index', async () => {
    writeFileSync(join(store.root, 'index.json'), '{"schemaVersion":2,');
    await expect(store.images.list()).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });
});

describe('RecordStore', () => {
  it('keeps documents by any key', async () => {
    const keys = ['plain', 'sha256:abc/def', '../../x', '.', '..', 'ü\u0000', 'x'.repeat(500), '\ud800'];
    for (const key of keys) await store.records.put('http', key, { key });
    for (const key of keys) expect(await store.records.get('http', key)).toEqual({ key });
    expect(await store.records.get('git', 'plain')).toBeUndefined();
  });
  it('takes a damaged document for absent', async () => {
    await store.records.put('cache', 'k', { a: 1 });
    truncateSync(join(store.root, 'zlayer/records/cache/k'), 3);
    expect(await store.records.get('cache', 'k')).toBeUndefined();
  });
});

describe('Area', () => {
  it('makes an entry once, whole, and lists it by its key', async () => {
    const area = store.area('trees');
    const path = await area.create('a/b', async (target) => writeFileSync(target, 'x'));
    expect(path).toBe(area.path('a/b'));
    await area.create('a/b', async () => {
      throw new Error('must not run');
    });
    expect(await area.list()).toEqual(['a/b']);
    expect(readFileSync(path, 'utf8')).toBe('x');
    await area.remove('a/b');
    expect(await area.has('a/b')).toBe(false);
  });
  it('keeps nothing when making it fails', async () => {
    const fill = async (path: string): Promise<void> => {
      mkdirSync(path);
      throw new Error('no');
    };
    await expect(store.area('snapshots').create('k', fill)).rejects.toThrow('no');
    expect(await store.area('snapshots').has('k')).toBe(false);
  });
  it('lets two makers both succeed', async () => {
    const area = store.area('snapshots');
    let ready: () => void = () => undefined;
    const both = new Promise<void>((resolve) => {
      ready = resolve;
    });
    let count = 0;
    const fill = async (path: string): Promise<void> => {
      mkdirSync(path);
      writeFileSync(join(path, 'f'), 'same');
      if (++count === 2) ready();
      await both;
    };
    const [a, b] = await Promise.all([area.create('k', fill), area.create('k', fill)]);
    expect(a).toBe(b);
    expect(readFileSync(join(a, 'f'), 'utf8')).toBe('same');
  });
  it('does not disturb the time stamps of what it keeps', async () => {
    const area = store.area('snapshots');
    const path = await area.create('k', async (target) => {
      mkdirSync(target);
      execFileSync('touch', ['-d', '2001-01-01T00:00:00Z', target]);
    });
    await area.has('k');
    expect(statSync(path).mtimeMs).toBe(Date.UTC(2001, 0, 1));
  });
  it('removes trees that hold directories nobody may enter', async () => {
    const area = store.area('snapshots');
    await area.create('k', async (target) => {
      mkdirSync(join(target, 'work/work'), { recursive: true });
      writeFileSync(join(target, 'work/work/f'), '');
      chmodSync(join(target, 'work/work'), 0);
    });
    await area.remove('k');
    await store.prune({});
    expect(readdirSync(join(store.root, 'zlayer/trash'))).toEqual([]);
  });
});

function filesBelow(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);
}
