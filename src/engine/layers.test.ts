import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { digestHex, digestOf } from '../core/index.ts';
import { type LayerRef, MEDIA_TYPES } from '../oci/index.ts';
import { createLayerAccess } from './layers.ts';
import { createTestEngine, directory, file, listing, type TestEngine } from './test-engine.fixture.ts';

/** A layer as a registry has it, whose uncompressed form is not in the store. */
async function compressed(
  engine: TestEngine,
  name: string,
): Promise<{ readonly layer: LayerRef; readonly bytes: Buffer; readonly tar: Buffer }> {
  const built = await engine.layer([file(name, `content of ${name} ${Math.random()}`)]);
  const path = engine.env.store.blobs.path(built.diffId);
  const tar = readFileSync(path);
  const { rmSync } = await import('node:fs');
  rmSync(path);
  await engine.env.store.area('tocs').remove(digestHex(built.diffId));
  const bytes = gzipSync(tar);
  const blob = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: digestOf(bytes), size: bytes.length };
  return { layer: { diffId: built.diffId, blob }, bytes, tar };
}

describe('createLayerAccess()', () => {
  it('merges layers, whiteouts applied', async () => {
    await using engine = await createTestEngine();
    const lower = await engine.layer([directory('d'), file('d/a'), file('d/b')]);
    const upper = await engine.layer([{ whiteout: 'd/a' }, file('d/c')]);
    expect(listing(await engine.view([lower, upper]))).toEqual(['d755 0:0 d', '-644 0:0 d/b', '-644 0:0 d/c']);
    expect(await engine.view([lower, upper])).toBe(await engine.view([lower, upper]));
    expect(listing(await engine.view([]))).toEqual([]);
  });

  it('fetches a compressed layer once, decompresses it, and keeps it under its diffId', async () => {
    await using engine = await createTestEngine();
    const { layer, bytes, tar } = await compressed(engine, 'x');
    let fetched = 0;
    const access = createLayerAccess({
      ...engine.env,
      fetchLayer: async () => {
        fetched += 1;
        await engine.env.store.blobs.put(bytes);
      },
    });
    const [path, again, view] = await Promise.all([
      access.tarPath(layer, engine.context),
      access.tarPath(layer, engine.context),
      access.view([layer], engine.context),
    ]);
    expect(fetched).toBe(1);
    expect(again).toBe(path);
    expect(readFileSync(path).equals(tar)).toBe(true);
    expect(view.list('')).toEqual(['x']);
    expect(await engine.env.store.area('tocs').has(digestHex(layer.diffId))).toBe(true);
  });

  it('refuses a layer that is not what its image says', async () => {
    await using engine = await createTestEngine();
    const { layer } = await compressed(engine, 'y');
    const other = gzipSync(Buffer.alloc(1024));
    const blob = { ...layer.blob, digest: digestOf(other), size: other.length };
    const access = createLayerAccess({
      ...engine.env,
      fetchLayer: () => engine.env.store.blobs.put(other).then(() => undefined),
    });
    await expect(access.tarPath({ ...layer, blob }, engine.context)).rejects.toMatchObject({
      code: 'BLOB_DIGEST_MISMATCH',
    });
    expect(await engine.env.store.blobs.stat(layer.diffId)).toBeUndefined();
  });

  it('asks again after a failed fetch', async () => {
    await using engine = await createTestEngine();
    const { layer, bytes } = await compressed(engine, 'z');
    let fails = true;
    const access = createLayerAccess({
      ...engine.env,
      fetchLayer: async () => {
        if (fails) throw new Error('offline');
        await engine.env.store.blobs.put(bytes);
      },
    });
    await expect(access.view([layer], engine.context)).rejects.toThrow('offline');
    fails = false;
    expect((await access.view([layer], engine.context)).list('')).toEqual(['z']);
  });

  it('makes a damaged table of contents again', async () => {
    await using engine = await createTestEngine();
    const layer = await engine.layer([file(`t${Math.random()}`)]);
    const path = engine.env.store.area('tocs').path(digestHex(layer.diffId));
    writeFileSync(path, 'damaged');
    const access = createLayerAccess({ ...engine.env, fetchLayer: () => Promise.reject(new Error('not needed')) });
    expect((await access.view([layer], engine.context)).list('')).toHaveLength(1);
    expect(readFileSync(path).length).toBeGreaterThan(7);
  });
});
