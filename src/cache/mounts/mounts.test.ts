import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuildEvent, digestOf } from '../../core/index.ts';
import { encodeManifest, MEDIA_TYPES } from '../../oci/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { createLocalStorage } from '../storage/local.ts';
import { exportMounts } from './export-mounts.ts';
import { createMountTravel } from './mount-travel.ts';
import type { MountFiles, UsedMount } from './types.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-mounts-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

let store: Store;
beforeAll(async () => {
  store = await openStore({ root: join(home, 'store') });
});

interface FakeFile {
  readonly bytes: Buffer;
  version: number;
}

/** A mount in memory, with a note of the files that were read. */
interface FakeMount extends UsedMount {
  readonly files: Map<string, FakeFile>;
  readonly read: string[];
  /** Runs while a file is read. */
  onRead: (path: string) => void;
  isAlone: boolean;
}

let mounts = 0;

function fakeMount(content: Readonly<Record<string, string | Buffer>>): FakeMount {
  mounts += 1;
  const stampsPath = join(home, `stamps-${mounts}`);
  const files = new Map(
    Object.entries(content).map(([path, bytes]) => [path, { bytes: Buffer.from(bytes), version: 1 }]),
  );
  const plain = { mode: 0o644, uid: 0, gid: 0, mtime: 1, nanoseconds: 0 };
  const mount: FakeMount = {
    id: 'npm',
    instance: 0,
    files,
    read: [],
    onRead: () => undefined,
    isAlone: true,
    hold: async () => ({
      id: 'npm',
      stampsPath,
      files: access,
      isAlone: mount.isAlone,
      release: async () => undefined,
    }),
  };
  const access: MountFiles = {
    list: async () => [
      { entry: { ...plain, path: '', type: 'directory', sizeBytes: 0 }, stamp: 'root', changedMs: 1 },
      ...[...files.keys()].toSorted().map((path) => {
        const { bytes, version } = files.get(path)!;
        const entry = { ...plain, path, type: 'file' as const, sizeBytes: bytes.length };
        return { entry, stamp: `${path} ${version}`, changedMs: 1 };
      }),
    ],
    read: async function* (paths) {
      for (const path of paths) {
        const { bytes } = files.get(path)!;
        mount.read.push(path);
        const body = (async function* () {
          yield bytes;
        })();
        yield { entry: { ...plain, path, type: 'file', sizeBytes: bytes.length }, body };
        mount.onRead(path);
      }
    },
    write: async (names) => {
      for await (const { entry, bytes, body } of names) {
        const chunks: Uint8Array[] = bytes === undefined ? [] : [bytes];
        for await (const chunk of body ?? []) chunks.push(Buffer.from(chunk));
        if (entry.type === 'file') files.set(entry.path, { bytes: Buffer.concat(chunks), version: 1 });
      }
    },
    clear: async () => files.clear(),
  };
  return mount;
}

let seed = 1;

/** Bytes that do not compress, the same in every run. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at++) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = seed >>> 16;
  }
  return bytes;
}

async function leave(mount: FakeMount, directory: string): Promise<readonly string[]> {
  const events: BuildEvent[] = [];
  const storage = createLocalStorage(directory);
  const target = { kind: 'local', directory } as const;
  const context = { signal: new AbortController().signal, emit: (event: BuildEvent) => void events.push(event) };
  await exportMounts({ store }, { target, storage, used: [mount], sources: [] }, context);
  return events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
}

async function bring(directory: string): Promise<{ readonly mount: FakeMount; readonly warnings: readonly string[] }> {
  const events: BuildEvent[] = [];
  const mount = fakeMount({});
  const travel = createMountTravel([
    { location: { kind: 'local', directory }, storage: createLocalStorage(directory) },
  ]);
  const context = { signal: new AbortController().signal, emit: (event: BuildEvent) => void events.push(event) };
  await travel.fill(await mount.hold(context.signal), context);
  return { mount, warnings: events.flatMap((event) => (event.kind === 'warning' ? [event.message] : [])) };
}

function blobsIn(directory: string): readonly string[] {
  return readdirSync(join(directory, 'blobs/sha256')).toSorted();
}

function sizeOf(directory: string): number {
  return blobsIn(directory).reduce((total, name) => total + statSync(join(directory, 'blobs/sha256', name)).size, 0);
}

const contentOf = ({ files }: FakeMount) =>
  new Map([...files].map(([path, { bytes }]) => [path, bytes.toString('hex')]));

describe('exportMounts()', () => {
  it('gives the same blobs for the same mount, and reads nothing twice', async () => {
    const content = { a: noise(5000), big: noise(5 << 20), c: 'c', empty: '' };
    const [one, two] = [fakeMount(content), fakeMount(content)];
    const [here, there] = [join(home, 'same-1'), join(home, 'same-2')];
    await leave(one, here);
    await leave(two, there);
    expect(blobsIn(there)).toEqual(blobsIn(here));
    expect(one.read).toEqual(['a', 'big', 'c']);
    const before = statSync(join(here, 'index.json')).mtimeMs;
    await leave(one, here);
    expect(one.read).toHaveLength(3);
    expect(statSync(join(here, 'index.json')).mtimeMs).toBe(before);
    const { mount, warnings } = await bring(here);
    expect(warnings).toEqual([]);
    expect(contentOf(mount)).toEqual(contentOf(one));
    // What came is known: it is left elsewhere without a look at what the place has.
    await leave(mount, here);
    expect(mount.read).toEqual([]);
  });

  it('holds a content once, under however many names, also a large one', async () => {
    const [small, large] = [noise(50_000), noise(5 << 20)];
    const directory = join(home, 'once');
    await leave(fakeMount({ a: small, b: small, c: large, d: large, e: small }), directory);
    expect(sizeOf(directory)).toBeLessThan((5 << 20) + 60_000);
    const { mount } = await bring(directory);
    expect(contentOf(mount).get('d')).toBe(large.toString('hex'));
    expect(contentOf(mount).get('e')).toBe(small.toString('hex'));
  });

  it('adds what is new, and writes packs anew that hold too little', async () => {
    const directory = join(home, 'packs');
    const mount = fakeMount(Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`f${at}`, noise(50_000)])));
    await leave(mount, directory);
    const before = blobsIn(directory);
    mount.files.set('g', { bytes: noise(50_000), version: 1 });
    mount.files.delete('f3');
    mount.read.length = 0;
    await leave(mount, directory);
    expect(mount.read).toEqual(['g', 'g']);
    // The pack stays with what nobody wants any more of it; config, manifest and page are new.
    expect(blobsIn(directory).filter((name) => before.includes(name))).toHaveLength(1);
    for (let at = 5; at < 20; at++) mount.files.delete(`f${at}`);
    await leave(mount, directory);
    expect(sizeOf(directory)).toBeLessThan(6 * 51_000);
    expect(contentOf((await bring(directory)).mount)).toEqual(contentOf(mount));
  });

  it('does not pile up small packs', async () => {
    const directory = join(home, 'small');
    const mount = fakeMount({});
    for (let at = 0; at < 16; at++) {
      mount.files.set(`f${at}`, { bytes: noise(100), version: 1 });
      await leave(mount, directory);
    }
    expect(blobsIn(directory).length).toBeLessThan(3 + 13);
    expect(contentOf((await bring(directory)).mount)).toEqual(contentOf(mount));
  });

  it('leaves out a file that changes while it is read, and says so', async () => {
    const directory = join(home, 'changing');
    const mount = fakeMount({ a: 'a', b: 'b' });
    mount.isAlone = false;
    mount.onRead = (path) => {
      if (path === 'b') mount.files.get('b')!.version = 2;
    };
    expect(await leave(mount, directory)).toEqual([
      '1 file of the cache mount npm changed while being read, and will travel the next time.',
    ]);
    mount.onRead = () => undefined;
    expect([...(await bring(directory)).mount.files.keys()]).toEqual(['a']);
    await leave(mount, directory);
    expect([...(await bring(directory)).mount.files.keys()]).toEqual(['a', 'b']);
  });

  it('writes anew what a place has lost', async () => {
    const directory = join(home, 'lost');
    const mount = fakeMount({ a: noise(50_000) });
    await leave(mount, directory);
    const pack = blobsIn(directory).find((name) => statSync(join(directory, 'blobs/sha256', name)).size > 40_000);
    rmSync(join(directory, 'blobs/sha256', pack!));
    mount.files.set('b', { bytes: noise(100), version: 1 });
    await leave(mount, directory);
    expect(contentOf((await bring(directory)).mount)).toEqual(contentOf(mount));
  });
});

describe('createMountTravel()', () => {
  it('makes no file of a listing that has a name outside of the mount', async () => {
    const directory = join(home, 'evil');
    await leave(fakeMount({ '../evil': 'x', a: 'a' }), directory);
    const { mount, warnings } = await bring(directory);
    expect(mount.files.size).toBe(0);
    expect(warnings).toEqual([expect.stringContaining('holds the name "../evil", which has no place in it')]);
  });

  it('takes nothing of an image that holds no cache mounts', async () => {
    const bytes = encodeManifest({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf('{}'), size: 2 },
      layers: [],
    });
    const descriptor = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(bytes), size: bytes.length };
    const location = { kind: 'local', directory: join(home, 'other') } as const;
    const storage = { ...createLocalStorage(location.directory), readManifest: async () => ({ descriptor, bytes }) };
    const events: BuildEvent[] = [];
    const context = { signal: new AbortController().signal, emit: (event: BuildEvent) => void events.push(event) };
    const travel = createMountTravel([{ location, storage }]);
    const mount = await fakeMount({}).hold(context.signal);
    expect([await travel.fill(mount, context), await travel.fill(mount, context)]).toEqual([false, false]);
    expect(events).toMatchObject([
      { code: 'CacheMountNotImported', message: expect.stringContaining('its config is') },
    ]);
  });
});
