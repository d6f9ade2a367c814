import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, parseReference } from '../../core/index.ts';
import { type Descriptor, type ImageConfig, type Manifest, MEDIA_TYPES } from '../../oci/index.ts';
import type { RegistryClient } from '../../registry/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { collect, TEST_CONTEXT as context, putTestImage } from '../test-image.ts';
import { writeRegistryOutput } from './write-output.ts';

let base: string;
let store: Store;
let image: Descriptor;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'push-'));
  store = await openStore({ root: join(base, 'store') });
  image = await putTestImage(store);
  await store.images.set(['docker.io/library/app:latest'], image);
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

/** A registry in memory, which mounts a blob when it is told one of the repositories that hold it. */
function openMemoryRegistry() {
  const blobs = new Map<string, Map<string, Buffer>>();
  const manifests = new Map<string, Buffer>();
  const inRepository = (repository: string): Map<string, Buffer> => {
    const found = blobs.get(repository) ?? new Map<string, Buffer>();
    blobs.set(repository, found);
    return found;
  };
  const client: Pick<RegistryClient, 'pushBlob' | 'pushManifest'> = {
    pushBlob: async ({ repository }, blob, open, { mountFrom = [] }) => {
      const here = inRepository(repository);
      if (here.has(blob.digest)) return 'existed';
      const mounted = mountFrom.map((from) => blobs.get(from)?.get(blob.digest)).find((bytes) => bytes !== undefined);
      here.set(blob.digest, mounted ?? (await collect(open(blob))));
      return mounted === undefined ? 'uploaded' : 'mounted';
    },
    pushManifest: async ({ repository, tag }, manifest) => {
      manifests.set(`${repository}:${tag}`, manifest.bytes);
    },
  };
  return { client: client as RegistryClient, blobs, manifests };
}

const push = (client: RegistryClient, ...names: readonly string[]) =>
  writeRegistryOutput({ store, client }, { descriptor: image, references: names.map(parseReference) }, context);

describe('writeRegistryOutput()', () => {
  it('pushes an image whose layers are gzip and unpack to their diff_ids', async () => {
    const registry = openMemoryRegistry();
    const [pushed] = await push(registry.client, 'localhost:5000/team/app:1');
    expect(pushed).toMatchObject({ uploaded: 3, mounted: 0, existed: 0 });
    const bytes = registry.manifests.get('team/app:1') ?? Buffer.alloc(0);
    expect(digestOf(bytes)).toBe(pushed?.descriptor.digest);
    const manifest = JSON.parse(bytes.toString()) as Manifest;
    const blobs = registry.blobs.get('team/app');
    const config = JSON.parse(String(blobs?.get(manifest.config.digest))) as ImageConfig;
    for (const [at, layer] of manifest.layers.entries()) {
      expect(layer.mediaType).toBe(MEDIA_TYPES.ociLayerGzip);
      expect(digestOf(gunzipSync(blobs?.get(layer.digest) ?? ''))).toBe(config.rootfs.diff_ids[at]);
    }
  });

  it('compresses nothing when the registry has everything, even after the compressed blobs were pruned', async () => {
    const registry = openMemoryRegistry();
    const [first] = await push(registry.client, 'localhost:5000/team/app:1');
    await store.prune({});
    const [again] = await push(registry.client, 'localhost:5000/team/app:2');
    expect(again).toMatchObject({ existed: 3, uploaded: 0, descriptor: first?.descriptor });
    // Nothing was made for it either.
    expect((await store.prune({})).removed).toEqual([]);
  });

  it('mounts at the same registry what it has pushed to another repository', async () => {
    const registry = openMemoryRegistry();
    const [first, second] = await push(registry.client, 'localhost:5000/team/app:1', 'localhost:5000/other/app:1');
    expect(first).toMatchObject({ uploaded: 3 });
    expect(second).toMatchObject({ mounted: 3, uploaded: 0 });
  });
});
