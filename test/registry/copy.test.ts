import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type CopyRequest, copyImage, type ImagePlace } from '../../src/copy/index.ts';
import { digestHex, digestOf } from '../../src/core/index.ts';
import { type Descriptor, MEDIA_TYPES } from '../../src/oci/index.ts';
import { pushImage } from '../../src/registry/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { type FaultRegistry, startFaultRegistry } from './fault-registry.ts';
import { descriptorIn, indexIn, manifestIn } from './memory-images.ts';
import { createMemoryBlobs, createTestContext, type MemoryBlobs } from './memory-sink.ts';
import { createTestClient, failureOf, referenceTo } from './test-client.ts';

const LARGE = 'x'.repeat(300_000);
const closers: Array<() => unknown> = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Bench {
  readonly from: FaultRegistry;
  readonly to: FaultRegistry;
  readonly blobs: MemoryBlobs;
  readonly store: () => Promise<Store>;
  readonly context: ReturnType<typeof createTestContext>;
  readonly directory: string;
  readonly index: Descriptor;
  readonly copy: (
    source: ImagePlace,
    destination: ImagePlace,
    options?: Partial<CopyRequest>,
  ) => ReturnType<typeof copyImage>;
}

/** A registry that holds the index `app:1` for two platforms, and another one that is empty. */
async function setUp(): Promise<Bench> {
  const from = await startFaultRegistry();
  const to = await startFaultRegistry();
  const { client } = createTestClient();
  const blobs = createMemoryBlobs();
  const context = createTestContext();
  const index = indexIn(blobs, [manifestIn(blobs, ['shared', LARGE]), manifestIn(blobs, ['shared', 'arm'], 'arm64')]);
  await pushImage(client, { source: blobs, manifest: index, reference: referenceTo(from.host, 'app:1') }, context);
  from.requests.length = 0;
  context.events.length = 0;
  const directory = mkdtempSync(join(tmpdir(), 'zlayer-copy-'));
  closers.push(client.close, from.close, to.close, () => rmSync(directory, { recursive: true }));
  let opened: Promise<Store> | undefined;
  const store = () => {
    opened ??= openStore({ root: join(directory, 'store') });
    return opened;
  };
  const deps = { store, source: async () => client, destination: async () => client };
  const copy: Bench['copy'] = (source, destination, options) =>
    copyImage(deps, { source, destination, ...options }, context);
  return { from, to, blobs, store, context, directory, index, copy };
}

const at = (registry: FaultRegistry, name: string): ImagePlace => ({
  kind: 'registry',
  reference: referenceTo(registry.host, name),
});
const ARM = { os: 'linux', architecture: 'arm64' };

describe('copyImage()', () => {
  it('copies an index with all its platforms from one registry to another, through no store', async () => {
    const { from, to, blobs, index, context, directory, copy } = await setUp();
    const copied = await copy(at(from, 'app:1'), at(to, 'team/app:2'));
    expect(copied).toEqual({ descriptor: index, sent: 5, existed: 0, mounted: 0, referrers: 0 });
    expect(to.manifest('team/app', '2')?.bytes).toEqual(blobs.blobs.get(index.digest));
    expect(to.blob('team/app', digestOf(LARGE))?.toString()).toBe(LARGE);
    expect(readdirSync(directory)).toEqual([]);
    const moved = context.events.flatMap((event) => (event.kind === 'transfer' && event.done ? [event.direction] : []));
    expect(moved).toEqual(Array.from({ length: 5 }, () => 'push'));

    from.requests.length = 0;
    to.requests.length = 0;
    expect(await copy(at(from, 'app:1'), at(to, 'team/app:2'))).toMatchObject({ sent: 0 });
    expect([from.seen(), to.seen()]).toEqual([['HEAD /v2/app/manifests/1'], ['HEAD /v2/team/app/manifests/2']]);
  });

  it('sends what the destination lacks alone, and the image of one platform when asked to', async () => {
    const { from, to, index, copy } = await setUp();
    const one = await copy(at(from, 'app:1'), at(to, 'app:arm'), { platform: ARM });
    expect(one).toMatchObject({ sent: 3, existed: 0 });
    const none = await failureOf(
      copy(at(from, 'app:1'), at(to, 'app:s390x'), { platform: { ...ARM, architecture: 's390x' } }),
    );
    expect([none.code, none.hint]).toEqual(['PLATFORM_NOT_FOUND', expect.stringContaining('linux/amd64, linux/arm64')]);
    expect(one.descriptor.digest).not.toBe(index.digest);
    expect(to.blob('app', digestOf(LARGE))).toBeUndefined();
    expect(await copy(at(from, 'app:1'), at(to, 'app:1'))).toMatchObject({ sent: 2, existed: 3 });
  });

  it('mounts within one registry, and reads no blob then', async () => {
    const { from, index, copy } = await setUp();
    expect(await copy(at(from, 'app:1'), at(from, 'other/app:1'))).toMatchObject({ sent: 0, mounted: 5 });
    expect(from.seen('GET').filter((line) => line.includes('/blobs/'))).toEqual([]);
    expect(digestOf(from.manifest('other/app', '1')!.bytes)).toBe(index.digest);
  });

  it('goes on in the middle of both sides when the destination lost the connection', async () => {
    const { from, to, copy } = await setUp();
    to.inject({ method: 'PUT', path: new RegExp(digestHex(digestOf(LARGE))), cutUploadAfter: 200_000 });
    await copy(at(from, 'app:1'), at(to, 'app:1'));
    expect(to.blob('app', digestOf(LARGE))?.toString()).toBe(LARGE);
    const ranges = from.requests.map(({ headers }) => headers.range).filter((range) => range !== undefined);
    expect(ranges).toEqual(['bytes=200000-']);
    expect(to.openUploads()).toBe(0);
  });

  it('goes on where the source lost the connection', async () => {
    const { from, to, copy } = await setUp();
    from.inject({
      method: 'GET',
      path: new RegExp(digestHex(digestOf(LARGE))),
      change: (answer) => ({ ...answer, cutAfter: 150_000 }),
    });
    await copy(at(from, 'app:1'), at(to, 'app:1'));
    expect(to.blob('app', digestOf(LARGE))?.toString()).toBe(LARGE);
    expect(from.requests.filter(({ headers }) => headers.range?.startsWith('bytes=') === true)).toHaveLength(1);
  });

  it('leaves nothing at the destination that the source sent with wrong bytes, and tries once more', async () => {
    const wrong = {
      method: 'GET',
      path: new RegExp(`/blobs/${digestOf(LARGE)}`),
      change: (answer: { readonly body?: Buffer }) => ({
        status: 200,
        body: Buffer.from(answer.body!).fill('y', 299_999),
      }),
    };
    const bad = await setUp();
    bad.from.inject({ ...wrong, times: 2 });
    expect((await failureOf(bad.copy(at(bad.from, 'app:1'), at(bad.to, 'app:1')))).code).toBe('BLOB_DIGEST_MISMATCH');
    expect(bad.to.blob('app', digestOf(LARGE))).toBeUndefined();
    expect(bad.to.manifest('app', '1')).toBeUndefined();
    expect(bad.to.openUploads()).toBe(0);

    const once = await setUp();
    once.from.inject(wrong);
    await once.copy(at(once.from, 'app:1'), at(once.to, 'app:1'));
    expect(once.to.blob('app', digestOf(LARGE))?.toString()).toBe(LARGE);
  });

  it('refuses a destination whose digest is another one, before anything is sent', async () => {
    const { from, to, copy } = await setUp();
    const digest = digestOf('another');
    const place: ImagePlace = { kind: 'registry', reference: { registry: to.host, repository: 'app', digest } };
    expect((await failureOf(copy(at(from, 'app:1'), place))).code).toBe('USAGE');
    expect(to.requests).toEqual([]);
  });

  it('keeps the digest through the store, a layout and archives, and back into a registry', async () => {
    const { from, to, index, directory, store, copy } = await setUp();
    const path = (name: string): string => join(directory, name);
    const way: readonly ImagePlace[] = [
      at(from, 'app:1'),
      { kind: 'oci', path: path('layout'), name: '1.0' },
      { kind: 'oci-archive', path: path('app.tar'), name: 'docker.io/library/app:1' },
      { kind: 'store', name: 'copied:1' },
      at(to, 'app:1'),
    ];
    for (const [step, place] of way.slice(1).entries()) {
      expect((await copy(way[step]!, place)).descriptor).toEqual(index);
    }
    const layout = JSON.parse(readFileSync(join(path('layout'), 'index.json'), 'utf8'));
    expect(layout.manifests).toEqual([{ ...index, annotations: { 'org.opencontainers.image.ref.name': '1.0' } }]);
    expect((await (await store()).images.list()).map(({ reference }) => reference)).toEqual([
      'docker.io/library/copied:1',
    ]);
    expect(digestOf(to.manifest('app', '1')!.bytes)).toBe(index.digest);
    expect(await copy(way[3]!, way[1]!)).toMatchObject({ sent: 0, existed: 8 });
  });

  it('refuses a place that has no room for an index, and a name that is not there', async () => {
    const { from, directory, copy } = await setUp();
    const archive: ImagePlace = { kind: 'docker-archive', path: join(directory, 'app.tar') };
    expect((await failureOf(copy(at(from, 'app:1'), archive))).code).toBe('UNSUPPORTED');
    const layout: ImagePlace = { kind: 'oci', path: join(directory, 'layout'), name: 'one' };
    await copy(at(from, 'app:1'), layout);
    const missing = await failureOf(copy({ ...layout, name: 'two' }, { kind: 'store', name: 'x' }));
    expect([missing.code, missing.hint]).toEqual(['IMAGE_NOT_FOUND', expect.stringContaining('one')]);
  });

  it('refuses the part of an index that a store holds, but for a registry that has the rest', async () => {
    const { from, to, store, blobs, index, copy } = await setUp();
    await copy(at(from, 'app:1'), at(to, 'app:1'));
    const images = await store();
    await images.blobs.put(blobs.blobs.get(index.digest)!);
    await images.images.set(['docker.io/library/part:1'], index);
    const part: ImagePlace = { kind: 'store', name: 'part:1' };
    const error = await failureOf(copy(part, at(from, 'elsewhere:1')));
    expect([error.code, error.message]).toEqual(['PLATFORM_NOT_FOUND', expect.stringContaining('linux/arm64')]);
    await copy(part, at(to, 'app:again'));
    expect(digestOf(to.manifest('app', 'again')!.bytes)).toBe(index.digest);
  });

  it('writes nothing of a damaged layout', async () => {
    const { from, to, directory, store, copy } = await setUp();
    const layout: ImagePlace = { kind: 'oci', path: join(directory, 'layout') };
    await copy(at(from, 'app:1'), layout);
    const file = join(directory, 'layout/blobs/sha256', digestHex(digestOf(LARGE)));
    writeFileSync(file, `${LARGE.slice(1)}y`);
    const tar = join(directory, 'a.tar');
    const places: readonly ImagePlace[] = [
      at(to, 'app:1'),
      { kind: 'store', name: 'app:1' },
      { kind: 'oci', path: join(directory, 'second') },
      { kind: 'oci-archive', path: tar },
    ];
    for (const place of places) expect((await failureOf(copy(layout, place))).code).toBe('BLOB_DIGEST_MISMATCH');
    expect(to.manifest('app', '1')).toBeUndefined();
    expect(to.blob('app', digestOf(LARGE))).toBeUndefined();
    expect(await (await store()).images.list()).toEqual([]);
    expect(await (await store()).blobs.stat(digestOf(LARGE))).toBeUndefined();
    expect(readdirSync(directory).sort()).toEqual(['layout', 'store']);
  });

  it('carries what is no image, such as a chart, and tells of a blob that its registry lost', async () => {
    const { from, to, copy } = await setUp();
    const blobs = createMemoryBlobs();
    const chart = descriptorIn(
      blobs,
      {
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociManifest,
        artifactType: 'application/vnd.example.chart',
        config: descriptorIn(blobs, '{}', MEDIA_TYPES.ociEmpty),
        layers: [descriptorIn(blobs, 'chart', 'application/vnd.example.chart.content')],
      },
      MEDIA_TYPES.ociManifest,
    );
    for (const bytes of blobs.blobs.values()) from.putBlob('chart', bytes);
    from.putManifest('chart', '1', blobs.blobs.get(chart.digest), MEDIA_TYPES.ociManifest);
    expect((await copy(at(from, 'chart:1'), at(to, 'chart:1'))).descriptor).toEqual(chart);
    from.inject({ method: 'GET', path: /blobs/, answer: { status: 404 } });
    const error = await failureOf(copy(at(from, 'chart:1'), at(to, 'again:1')));
    expect([error.code, to.manifest('again', '1')]).toEqual(['BLOB_MISSING', undefined]);
  });
});
