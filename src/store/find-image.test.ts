import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestHex } from '../core/index.ts';
import { type Descriptor, MEDIA_TYPES } from '../oci/index.ts';
import { openStore } from './index.ts';
import { putImage, type TestImage } from './test-images.ts';
import type { Store } from './types.ts';

let base: string;
let store: Store;
let app: TestImage;
let member: TestImage;
let index: Descriptor;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'find-'));
  store = await openStore({ root: join(base, 's') });
  app = await putImage(store, { layers: ['app'] });
  member = await putImage(store, { layers: ['member'] });
  const absent = { mediaType: MEDIA_TYPES.ociManifest, digest: `sha256:${'f'.repeat(64)}`, size: 9 };
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [absent, member.descriptor] }));
  const blob = await store.blobs.put(bytes);
  index = { mediaType: MEDIA_TYPES.ociIndex, digest: blob.digest, size: blob.sizeBytes };
  await store.images.set(['docker.io/library/app:1', 'docker.io/library/app:2'], app.descriptor);
  await store.images.set(['docker.io/library/multi:1'], index);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

describe('ImageStore.find()', () => {
  it('finds by name, digest, image id and their beginnings', async () => {
    const words = ['app:1', app.descriptor.digest, digestHex(app.config.digest).slice(0, 12), app.config.digest];
    for (const word of words) {
      expect((await store.images.find(word)).descriptor).toEqual(app.descriptor);
    }
    expect((await store.images.find('app:1')).byName).toBe(true);
    expect((await store.images.find(app.config.digest)).byName).toBe(false);
    expect((await store.images.find(`app@${app.descriptor.digest}`)).byName).toBe(true);
  });

  it('finds an image of an index by its own digests, and says where it is', async () => {
    for (const word of [member.descriptor.digest, member.config.digest, `multi@${member.descriptor.digest}`]) {
      const found = await store.images.find(word);
      expect(found.descriptor.digest).toBe(member.descriptor.digest);
      expect(found.image.reference).toBe('docker.io/library/multi:1');
    }
  });

  it('does not find what an index lists but the store lacks, and names the nearest name', async () => {
    await expect(store.images.find(`sha256:${'f'.repeat(64)}`)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    await expect(store.images.find('ap:1')).rejects.toMatchObject({ hint: expect.stringContaining('"app:1"') });
  });
});

describe('ImageStore.untag()', () => {
  it('takes away a name, or of an id the only one', async () => {
    await expect(store.images.untag(app.config.digest)).rejects.toMatchObject({ code: 'USAGE' });
    expect(await store.images.untag('app:1')).toEqual(['docker.io/library/app:1']);
    expect(await store.images.untag(app.config.digest)).toEqual(['docker.io/library/app:2']);
    await expect(store.images.untag(app.config.digest)).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('takes away all names of an id when told to', async () => {
    expect(await store.images.untag(app.config.digest, { all: true })).toHaveLength(2);
  });
});

describe('ImageStore.replace()', () => {
  it('points a name at something else as long as it means what was expected', async () => {
    const name = 'docker.io/library/multi:1';
    expect(await store.images.replace(name, app.descriptor.digest, member.descriptor)).toBe(false);
    expect((await store.images.get(name))?.descriptor.digest).toBe(index.digest);
    expect(await store.images.replace(name, index.digest, member.descriptor)).toBe(true);
    expect((await store.images.list()).map(({ reference }) => reference).toSorted()).toEqual([
      'docker.io/library/app:1',
      'docker.io/library/app:2',
      name,
    ]);
  });
});
