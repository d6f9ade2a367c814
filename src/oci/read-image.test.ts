import { describe, expect, it } from 'vitest';
import { type BlobSource, BuildError, type Digest, digestOf } from '../core/index.ts';
import { findImageDocuments, listIndexImages, readImage } from './read-image.ts';
import { type Descriptor, type Index, MEDIA_TYPES } from './types.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM64 = { os: 'linux', architecture: 'arm64' };

/** Blobs in memory. */
function createBlobs() {
  const blobs = new Map<Digest, Buffer>();
  const source: BlobSource = {
    async *open({ digest }) {
      const bytes = blobs.get(digest);
      if (bytes === undefined) throw new BuildError('BLOB_MISSING', `${digest} is missing.`);
      yield bytes;
    },
  };
  const put = (mediaType: string, value: unknown): Descriptor => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const image = (architecture: string, diffIds = 1): Descriptor => {
    const layer = { mediaType: MEDIA_TYPES.ociLayer, digest: digestOf(architecture), size: 1 };
    const ids = Array.from({ length: diffIds }, () => layer.digest);
    const config = put(MEDIA_TYPES.ociConfig, { os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: ids } });
    return put(MEDIA_TYPES.ociManifest, { schemaVersion: 2, config, layers: [layer] });
  };
  const index = (...manifests: readonly Descriptor[]): Descriptor =>
    put(MEDIA_TYPES.ociIndex, { schemaVersion: 2, manifests });
  return { blobs, source, image, index };
}

describe('readImage()', () => {
  it('follows nested indexes to the image of the platform', async () => {
    const { source, image, index } = createBlobs();
    const [amd64, arm64] = [image('amd64'), image('arm64')];
    const inner = index({ ...arm64, platform: ARM64 });
    const root = index({ ...amd64, platform: AMD64 }, { ...inner, platform: ARM64 });
    const found = await readImage(source, root, { platform: ARM64, strict: true });
    expect(found).toMatchObject({ root, descriptor: { digest: arm64.digest }, config: { architecture: 'arm64' } });
    expect(found.layers).toEqual([{ diffId: digestOf('arm64'), blob: found.manifest.layers[0] }]);
  });

  it('takes another platform only where the choice is not strict, and attestations never', async () => {
    const { source, image, index } = createBlobs();
    const note = { ...image('unknown'), platform: { os: 'unknown', architecture: 'unknown' } };
    const root = index(note, { ...image('amd64'), platform: AMD64 });
    await expect(readImage(source, root, { platform: ARM64, strict: true })).rejects.toMatchObject({
      code: 'PLATFORM_NOT_FOUND',
    });
    const loose = await readImage(source, root, { platform: ARM64, strict: false });
    expect(loose.config.architecture).toBe('amd64');
    await expect(readImage(source, index(note))).rejects.toMatchObject({ code: 'PLATFORM_NOT_FOUND' });
  });

  it('refuses bytes that are not those of the digest', async () => {
    const { source, blobs, image } = createBlobs();
    const descriptor = image('amd64');
    blobs.set(descriptor.digest, Buffer.from('{}'));
    await expect(readImage(source, descriptor)).rejects.toMatchObject({ code: 'BLOB_DIGEST_MISMATCH' });
  });

  it('refuses a config that names another number of layers, and digests that could be paths', async () => {
    const { source, image, index } = createBlobs();
    await expect(readImage(source, image('amd64', 2))).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    const path = { ...image('amd64'), digest: 'md5:../../etc/passwd' as Digest };
    await expect(readImage(source, index(path))).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  it('ends with an index that holds itself', async () => {
    const { source, index } = createBlobs();
    let root = index();
    for (let depth = 0; depth < 12; depth += 1) root = index({ ...root, platform: AMD64 });
    await expect(readImage(source, root, { platform: AMD64, strict: true })).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    });
  });
});

describe('findImageDocuments()', () => {
  it('says which document is not here', async () => {
    const { source, blobs, image } = createBlobs();
    const descriptor = image('amd64');
    const { manifest } = await readImage(source, descriptor);
    blobs.delete(manifest.config.digest);
    expect(await findImageDocuments(source, descriptor)).toEqual({ kind: 'missing', descriptor: manifest.config });
    blobs.delete(descriptor.digest);
    expect(await findImageDocuments(source, descriptor)).toEqual({ kind: 'missing', descriptor });
  });
});

describe('listIndexImages()', () => {
  it('gives images through nested indexes, and what is not here as it is listed', async () => {
    const { source, image, index } = createBlobs();
    const absent = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf('absent'), size: 1, platform: AMD64 };
    const arm64 = { ...image('arm64'), platform: ARM64 };
    const root: Index = { schemaVersion: 2, manifests: [absent, index(arm64)] };
    expect(await listIndexImages(source, root)).toEqual([absent, arm64]);
  });
});
