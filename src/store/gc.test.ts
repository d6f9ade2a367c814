import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chainIdOf, digestHex } from '../core/index.ts';
import { openStore } from './index.ts';
import { putImage, putLayer } from './test-images.ts';
import type { PruneOptions, PruneResult, Store } from './types.ts';

let base: string;
let store: Store;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'store-gc-'));
  store = await openStore({ root: join(base, 's') });
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

const NAME = 'docker.io/library/a:latest';
const HOUR_MS = 3_600_000;

const removedKinds = (result: PruneResult): readonly string[] => result.removed.map((item) => item.kind).sort();
const makeEntry = (
  area: 'snapshots' | 'tocs' | 'cache-mounts' | 'downloads',
  key: string,
  bytes = 1,
): Promise<string> => store.area(area).create(key, async (path) => writeFileSync(path, Buffer.alloc(bytes)));
/** Makes something look as if it was last used some hours ago. */
const age = (path: string, hours: number): void => {
  const seconds = (Date.now() - hours * HOUR_MS) / 1000;
  utimesSync(path, seconds, seconds);
};
const ageBlob = (
  layer: { readonly blob: { readonly digest: `sha256:${string}` | `sha512:${string}` } },
  hours: number,
): void => age(store.blobs.path(layer.blob.digest), hours);
const totalBytes = async (): Promise<number> => (await store.usage()).reduce((sum, item) => sum + item.sizeBytes, 0);

describe('prune()', () => {
  it('removes what nothing leads to and keeps images, nameless ones and the build cache', async () => {
    const named = await putImage(store, { layers: ['n'] });
    const nameless = await putImage(store, { layers: ['o'] });
    await store.images.set([NAME], nameless.descriptor);
    await store.images.set([NAME], named.descriptor);
    const cached = await putLayer(store, 'cached');
    await store.records.put('cache', 'key', { layers: [cached] });
    const orphan = await putLayer(store, 'orphan');
    const result = await store.prune({});
    expect(result.removed.map((item) => [item.kind, item.id])).toEqual([['blob', orphan.diffId]]);
    expect(result.freedBytes).toBe(6);
    expect(await store.blobs.stat(orphan.diffId)).toBeUndefined();
    for (const kept of [cached, ...named.layers, ...nameless.layers]) {
      expect(await store.blobs.stat(kept.diffId)).toBeDefined();
    }
    expect(readdirSync(join(store.root, 'zlayer/trash'))).toEqual([]);
  });

  it('removes nameless images and the whole build cache with `all`, and never a named image', async () => {
    const named = await putImage(store, { layers: ['shared', 'n'] });
    const nameless = await putImage(store, { layers: ['shared', 'o'] });
    await store.images.set([NAME], nameless.descriptor);
    await store.images.set([NAME], named.descriptor);
    await store.records.put('cache', 'key', { layers: [await putLayer(store, 'cached')] });
    await makeEntry('snapshots', digestHex(chainIdOf(named.layers.map((layer) => layer.diffId)) ?? 'sha256:'));
    await makeEntry('cache-mounts', '/root/.cache');
    const result = await store.prune({ all: true });
    expect(removedKinds(result)).toEqual(['cache-mounts', 'image', 'layer', 'layer', 'record', 'snapshots']);
    expect((await store.images.list()).map((image) => image.reference)).toEqual([NAME]);
    expect((await store.usage()).map((item) => [item.kind, item.inUse]).sort()).toEqual([
      ['image', true],
      ['layer', true],
      ['layer', true],
    ]);
    for (const layer of named.layers) expect(await store.blobs.stat(layer.diffId)).toBeDefined();
  });

  it('keeps snapshots and tables of contents of layers that are known, and no others', async () => {
    const image = await putImage(store, { layers: ['1', '2'] });
    await store.images.set([NAME], image.descriptor);
    const [first, second] = image.layers;
    if (first === undefined || second === undefined) throw new Error('two layers');
    const chain = chainIdOf([first.diffId, second.diffId]);
    const kept = [digestHex(first.diffId), digestHex(chain ?? first.diffId)];
    for (const key of [...kept, 'f'.repeat(64)]) await makeEntry('snapshots', key);
    await makeEntry('tocs', digestHex(second.diffId));
    await makeEntry('tocs', 'e'.repeat(64));
    await store.prune({});
    expect([...(await store.area('snapshots').list())].sort()).toEqual(kept.sort());
    expect(await store.area('tocs').list()).toEqual([digestHex(second.diffId)]);
  });

  it('keeps everything below an index, through manifests and configs', async () => {
    const child = await putImage(store, { layers: ['x'] });
    const index = { schemaVersion: 2, manifests: [child.descriptor] };
    const { digest, sizeBytes } = await store.blobs.put(Buffer.from(JSON.stringify(index)));
    await store.images.set([NAME], {
      mediaType: 'application/vnd.oci.image.index.v1+json',
      digest,
      size: sizeBytes,
    });
    expect((await store.prune({ all: true })).removed).toEqual([]);
  });

  it('drops a record whose layer is gone, unless a registry has the layer', async () => {
    const [lost, remote] = [await putLayer(store, 'lost'), await putLayer(store, 'remote')];
    await store.records.put('cache', 'broken', { layers: [lost] });
    await store.records.put('cache', 'lazy', { layers: [{ ...remote, origin: 'example.com/base:1' }] });
    for (const layer of [lost, remote]) rmSync(store.blobs.path(layer.diffId));
    expect((await store.prune({})).removed.map((item) => item.id)).toEqual(['cache/broken']);
    expect(await store.records.get('cache', 'lazy')).toBeDefined();
  });

  it('takes only the kinds asked for', async () => {
    await putLayer(store, 'orphan');
    await makeEntry('cache-mounts', 'npm');
    await makeEntry('downloads', 'url');
    expect(removedKinds(await store.prune({ all: true, kinds: ['cache-mounts'] }))).toEqual(['cache-mounts']);
    expect(await store.area('downloads').list()).toEqual(['url']);
  });

  it('keeps what was used after the given moment', async () => {
    const [old, young] = [await putLayer(store, 'old'), await putLayer(store, 'young')];
    ageBlob(old, 3);
    const result = await store.prune({ unusedSinceMs: Date.now() - HOUR_MS });
    expect(result.removed.map((item) => item.id)).toEqual([old.diffId]);
    expect(await store.blobs.has({ digest: young.diffId, sizeBytes: 5 })).toBe(true);
  });

  it('changes nothing in a dry run, and says what it would remove', async () => {
    const orphan = await putLayer(store, 'orphan');
    const result = await store.prune({ dryRun: true });
    expect(result).toMatchObject({ removed: [{ id: orphan.diffId }], freedBytes: 6 });
    expect(await store.blobs.stat(orphan.diffId)).toBeDefined();
  });

  it('shrinks to a bound by least recent use, a record going with its layer', async () => {
    const layers = [];
    for (const n of [1, 2, 3, 4]) {
      const layer = await putLayer(store, String(n).repeat(100_000));
      await store.records.put('cache', `key${n}`, { layers: [layer] });
      ageBlob(layer, 10 - n);
      age(join(store.root, 'zlayer/records/cache', `key${n}`), 10 - n);
      layers.push(layer);
    }
    // Reading a record is a use of its layers.
    await store.records.get('cache', 'key1');
    const result = await store.prune({ maxUsedBytes: 250_000 });
    expect(await totalBytes()).toBeLessThanOrEqual(250_000);
    expect(result.removed.filter((item) => item.kind === 'layer').map((item) => item.id)).toEqual(
      [layers[1], layers[2]].map((layer) => layer?.diffId),
    );
    expect(await store.records.get('cache', 'key2')).toBeUndefined();
    expect(await store.records.get('cache', 'key1')).toBeDefined();
    expect(await store.records.get('cache', 'key4')).toBeDefined();
  });

  it('never gives up named images or leased entries for a bound', async () => {
    const image = await putImage(store, { layers: ['x'.repeat(1000)] });
    await store.images.set([NAME], image.descriptor);
    const leased = await putLayer(store, 'leased');
    await makeEntry('downloads', 'leased');
    const lease = await store.openLease();
    expect(await lease.pinBlob({ digest: leased.diffId, sizeBytes: 6 })).toBe(true);
    expect(await lease.pinEntry('downloads', 'leased')).toBe(true);
    expect((await store.prune({ maxUsedBytes: 0, all: true })).removed).toEqual([]);
    expect((await store.usage()).every((item) => item.inUse)).toBe(true);
    await lease.release();
    expect(removedKinds(await store.prune({ all: true }))).toEqual(['blob', 'downloads']);
  });

  it('spares what is written while a lease is open', async () => {
    const lease = await store.openLease();
    const blob = await store.blobs.put(Buffer.from('new'));
    await makeEntry('snapshots', 'a'.repeat(64));
    const other = await openStore({ root: store.root });
    expect((await other.prune({ all: true })).removed).toEqual([]);
    expect(await store.blobs.has(blob)).toBe(true);
    await lease.release();
    expect(removedKinds(await other.prune({}))).toEqual(['blob', 'snapshots']);
  });

  it('ignores and removes leases of dead processes', async () => {
    const layer = await putLayer(store, 'x');
    const boot = '0'.repeat(32);
    writeFileSync(join(store.root, 'zlayer/leases', `1.1.1.${boot}.aa`), `blob ${layer.diffId}\n`);
    expect(removedKinds(await store.prune({}))).toEqual(['blob']);
    expect(readdirSync(join(store.root, 'zlayer/leases'))).toEqual([]);
  });

  it('puts back what a collector that died had moved away', async () => {
    const layer = await putLayer(store, 'x');
    await makeEntry('snapshots', 'a'.repeat(64));
    const { renameSync } = await import('node:fs');
    const dead = `1.1.1.${'0'.repeat(32)}.aa`;
    const aside = join(store.root, 'zlayer/trash', `${dead}.provisional`);
    for (const path of [`blobs/sha256/${digestHex(layer.diffId)}`, `zlayer/areas/snapshots/${'a'.repeat(64)}`]) {
      mkdirSync(join(aside, path, '..'), { recursive: true });
      renameSync(join(store.root, path), join(aside, path));
    }
    const { symlinkSync } = await import('node:fs');
    symlinkSync(dead, join(store.root, 'zlayer/index.lock'));
    const lease = await store.openLease();
    expect(await lease.pinBlob({ digest: layer.diffId, sizeBytes: 1 })).toBe(true);
    expect(await lease.pinEntry('snapshots', 'a'.repeat(64))).toBe(true);
    expect(readdirSync(join(store.root, 'zlayer')).includes('index.lock')).toBe(false);
    await lease.release();
  });
});

describe('openLease()', () => {
  it('sweeps what dead processes left in the temporary directory', async () => {
    const dead = join(store.root, 'zlayer/tmp', `1.1.1.${'0'.repeat(32)}`);
    mkdirSync(join(dead, 'exec-1/work/work'), { recursive: true });
    chmodSync(join(dead, 'exec-1/work/work'), 0);
    const mine = await store.makeTempDir('x');
    await (await store.openLease()).release();
    expect(readdirSync(join(store.root, 'zlayer/tmp'))).toEqual([mine.split('/').at(-2)]);
    await store.prune({});
    expect(readdirSync(join(store.root, 'zlayer/trash'))).toEqual([]);
  });
});

describe('usage()', () => {
  it('counts every byte once', async () => {
    const a = await putImage(store, { layers: ['shared', 'a'] });
    const b = await putImage(store, { layers: ['shared', 'b'] });
    await store.images.set([NAME, 'docker.io/library/a:2'], a.descriptor);
    await store.images.set(['docker.io/library/b:latest'], b.descriptor);
    const items = await store.usage();
    expect(items.filter((item) => item.kind === 'image').map((item) => item.id)).toEqual([
      a.descriptor.digest,
      b.descriptor.digest,
    ]);
    const blobs = readdirSync(join(store.root, 'blobs/sha256'));
    const { statSync } = await import('node:fs');
    const onDisk = blobs.reduce((sum, name) => sum + statSync(join(store.root, 'blobs/sha256', name)).size, 0);
    expect(items.reduce((sum, item) => sum + item.sizeBytes, 0)).toBe(onDisk);
  });

  it('measures an entry by the blocks that its files take, hard links once', async () => {
    await store.area('snapshots').create('a'.repeat(64), async (path) => {
      const { linkSync } = await import('node:fs');
      mkdirSync(path);
      writeFileSync(join(path, 'f'), 'x');
      linkSync(join(path, 'f'), join(path, 'g'));
      writeFileSync(Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0xe9])]), 'y');
    });
    const measured: PruneOptions = { dryRun: true };
    expect((await store.prune(measured)).freedBytes).toBe(3 * 4096);
    expect((await store.usage())[0]?.sizeBytes).toBe(3 * 4096);
  });
});
