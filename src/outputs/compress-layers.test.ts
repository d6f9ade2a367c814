import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../core/index.ts';
import { blobOf, type Descriptor, type ImageDocuments, MEDIA_TYPES, readImage } from '../oci/index.ts';
import { openStore, type Store } from '../store/index.ts';
import { type CompressOptions, compressLayers } from './compress-layers.ts';
import { collect, put, TEST_CONTEXT } from './test-image.ts';

const PLAIN = 'a layer of our own '.repeat(500);
const PULLED = 'a layer of the base '.repeat(500);

let directory: string;
let store: Store;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'compress-'));
  store = await openStore({ root: directory });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** An image on a base that came with gzip, as another compressor makes it. */
async function putImage(family: 'oci' | 'docker'): Promise<Descriptor> {
  const types =
    family === 'oci'
      ? [MEDIA_TYPES.ociLayerGzip, MEDIA_TYPES.ociLayer, MEDIA_TYPES.ociConfig, MEDIA_TYPES.ociManifest]
      : [MEDIA_TYPES.dockerLayerGzip, MEDIA_TYPES.dockerLayer, MEDIA_TYPES.dockerConfig, MEDIA_TYPES.dockerManifest];
  const [gzipType, plainType, configType, manifestType] = types as [string, string, string, string];
  const base = await store.blobs.put(gzipSync(PULLED, { level: 1 }));
  const own = await store.blobs.put(Buffer.from(PLAIN));
  const config = await put(store, configType, {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [digestOf(PULLED), own.digest] },
  });
  const layers = [
    { mediaType: gzipType, digest: base.digest, size: base.sizeBytes },
    { mediaType: plainType, digest: own.digest, size: own.sizeBytes },
  ];
  return put(store, manifestType, { schemaVersion: 2, mediaType: manifestType, config, layers });
}

/** The layers of a result: types, and what their bytes are. */
async function compress(descriptor: Descriptor, options: CompressOptions) {
  const { source, ...result } = await compressLayers(store, { descriptor, ...options }, TEST_CONTEXT);
  try {
    const image: ImageDocuments = await readImage(source, result.descriptor);
    const blobs = await Promise.all(image.layers.map(({ blob }) => collect(source.open(blobOf(blob)))));
    for (const [at, { blob }] of image.layers.entries()) expect(digestOf(blobs[at]!)).toBe(blob.digest);
    return { types: image.layers.map(({ blob }) => blob.mediaType), blobs, image };
  } finally {
    await result.close();
  }
}

describe('compressLayers() with force', () => {
  it('leaves layers that are compressed as wanted, unless a level is asked for', async () => {
    const descriptor = await putImage('oci');
    const before = (await readImage(store.blobs, descriptor)).layers[0]!.blob.digest;
    const kept = await compress(descriptor, { compression: 'gzip', force: true });
    expect(kept.image.layers[0]!.blob.digest).toBe(before);
    const anew = await compress(descriptor, { compression: 'gzip', level: 9, force: true });
    expect(anew.image.layers[0]!.blob.digest).not.toBe(before);
    expect(anew.types).toEqual([MEDIA_TYPES.ociLayerGzip, MEDIA_TYPES.ociLayerGzip]);
    expect(anew.blobs.map((bytes) => gunzipSync(bytes).toString())).toEqual([PULLED, PLAIN]);
    expect(anew.image.manifest.config).toEqual(kept.image.manifest.config);
  });

  it.each([
    ['oci', MEDIA_TYPES.ociLayer],
    ['docker', MEDIA_TYPES.dockerLayer],
  ] as const)('makes plain layers of the types of %s', async (family, type) => {
    const { types, blobs } = await compress(await putImage(family), { compression: 'none', force: true });
    expect(types).toEqual([type, type]);
    expect(blobs.map((bytes) => bytes.toString())).toEqual([PULLED, PLAIN]);
  });

  it('touches nothing of a base without it', async () => {
    const { types } = await compress(await putImage('docker'), { compression: 'gzip', level: 9 });
    expect(types).toEqual([MEDIA_TYPES.dockerLayerGzip, MEDIA_TYPES.dockerLayerGzip]);
    const untouched = await compress(await putImage('oci'), { compression: 'none' });
    expect(untouched.types).toEqual([MEDIA_TYPES.ociLayerGzip, MEDIA_TYPES.ociLayer]);
  });

  it('gives the same bytes whoever compressed the layer before', async () => {
    const descriptor = await putImage('oci');
    const { manifest, config } = await readImage(store.blobs, descriptor);
    const other = await store.blobs.put(gzipSync(PULLED, { level: 9 }));
    const layers = [{ ...manifest.layers[0]!, digest: other.digest, size: other.sizeBytes }, manifest.layers[1]!];
    const same = await put(store, MEDIA_TYPES.ociManifest, { ...manifest, layers });
    const options = { compression: 'gzip', level: 6, force: true } as const;
    const [one, two] = [await compress(descriptor, options), await compress(same, options)];
    expect(two.image.manifest.layers).toEqual(one.image.manifest.layers);
    expect(config.os).toBe('linux');
  });
});
