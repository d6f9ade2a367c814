import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from './index.ts';
import type { Store } from './types.ts';

let base: string;
let store: Store;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'store-boot-'));
  store = await openStore({ root: join(base, 's') });
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

const make = (key: string): Promise<string> =>
  store.area('snapshots').create(key, async (path) => writeFileSync(path, key));
const finishedHoursAgo = (key: string, hours: number): void => {
  const seconds = Date.now() / 1000 - hours * 3600;
  utimesSync(join(store.area('snapshots').path(key), '../made'), seconds, seconds);
};
const reboot = async (): Promise<Store> => {
  writeFileSync(join(store.root, 'zlayer/boot'), '0'.repeat(32));
  return openStore({ root: store.root });
};

describe('recoverBoot()', () => {
  it('removes entries that were finished just before the power was cut, and keeps earlier ones', async () => {
    await make('early');
    await make('late');
    finishedHoursAgo('early', 2);
    const after = await reboot();
    expect(await after.area('snapshots').list()).toEqual(['early']);
  });

  it('removes blobs whose bytes never reached the disk, although their size did', async () => {
    const good = await store.blobs.put(Buffer.from('good'));
    const bad = await store.blobs.put(Buffer.from('bad'));
    writeFileSync(store.blobs.path(bad.digest), '\0\0\0');
    const after = await reboot();
    expect(await after.blobs.has(good)).toBe(true);
    expect(await after.blobs.has(bad)).toBe(false);
  });

  it('mends the files of a layout that was made just before', async () => {
    for (const name of ['index.json', 'oci-layout']) truncateSync(join(store.root, name), 0);
    const after = await reboot();
    expect(await after.images.list()).toEqual([]);
    expect(JSON.parse(readFileSync(join(store.root, 'oci-layout'), 'utf8'))).toEqual({ imageLayoutVersion: '1.0.0' });
  });

  it('happens once', async () => {
    await reboot();
    await make('new');
    expect(await (await openStore({ root: store.root })).area('snapshots').list()).toEqual(['new']);
    expect(readdirSync(join(store.root, 'zlayer/tmp')).length).toBeLessThanOrEqual(1);
  });

  it('also mends a boot mark that was cut short', async () => {
    truncateSync(join(store.root, 'zlayer/boot'), 0);
    await openStore({ root: store.root });
    await make('x');
    expect(await (await openStore({ root: store.root })).area('snapshots').has('x')).toBe(true);
  });
});
