import { afterEach, describe, expect, it } from 'vitest';
import { digestOf, type Platform } from '../../src/core/index.ts';
import { type Descriptor, MEDIA_TYPES } from '../../src/oci/index.ts';
import { pullImage, pushImage } from '../../src/registry/index.ts';
import { startFaultRegistry } from './fault-registry.ts';
import { descriptorIn, indexIn, manifestIn } from './memory-images.ts';
import { createMemoryBlobs, createTestContext, type MemoryBlobs } from './memory-sink.ts';
import { createTestClient, failureOf, referenceTo } from './test-client.ts';

const AMD64: Platform = { os: 'linux', architecture: 'amd64' };
const closers: Array<() => Promise<void>> = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setUp() {
  const registry = await startFaultRegistry();
  const { client } = createTestClient();
  closers.push(client.close, registry.close);
  const source = createMemoryBlobs();
  const reference = referenceTo(registry.host, 'app:1');
  const context = createTestContext();
  const push = (manifest: Descriptor, options: { mountFrom?: (blob: { digest: string }) => readonly string[] } = {}) =>
    pushImage(client, { source, manifest, reference, ...options }, context);
  const pull = (sink: MemoryBlobs, options: { platform?: Platform; layers?: 'none' } = {}) =>
    pullImage(client, { reference, sink, platform: AMD64, ...options }, context);
  return { registry, client, source, reference, context, push, pull };
}

describe('pushImage()', () => {
  it('sends layers, then the config, then the manifest', async () => {
    const { registry, source, push } = await setUp();
    const manifest = manifestIn(source, ['a', 'b']);
    expect(await push(manifest)).toEqual({ descriptor: manifest, existed: 0, mounted: 0, uploaded: 3 });
    const config = JSON.parse(source.blobs.get(manifest.digest)!.toString()).config as Descriptor;
    const puts = registry.seen('PUT');
    expect(puts[2]).toContain(encodeURIComponent(config.digest));
    expect(puts[3]).toBe('PUT /v2/app/manifests/1');
  });

  it('needs a HEAD per thing the second time', async () => {
    const { registry, source, push } = await setUp();
    const manifest = manifestIn(source, ['a', 'b']);
    await push(manifest);
    const before = registry.seen().length;
    expect(await push(manifest)).toMatchObject({ existed: 3, uploaded: 0 });
    expect(
      registry
        .seen()
        .slice(before)
        .map((line) => line.split(' ')[0]),
    ).toEqual(['HEAD', 'HEAD', 'HEAD', 'HEAD']);
  });

  it('mounts what comes from another repository of the same registry', async () => {
    const { registry, source, push } = await setUp();
    registry.putBlob('base/image', 'a');
    const mountFrom = ({ digest }: { digest: string }): readonly string[] =>
      digest === digestOf('a') ? ['example.com/base/image:9', `${registry.host}/base/image:1`] : [];
    expect(await push(manifestIn(source, ['a', 'b']), { mountFrom })).toMatchObject({ mounted: 1, uploaded: 2 });
  });

  it('sends an index after its members, and shared blobs once', async () => {
    const { registry, source, push } = await setUp();
    const members = [manifestIn(source, ['shared', 'a']), manifestIn(source, ['shared', 'b'], 'arm64')];
    const index = indexIn(source, members);
    expect(await push(index)).toMatchObject({ uploaded: 5 });
    const puts = registry.seen('PUT').filter((line) => line.includes('/manifests/'));
    expect(puts.slice(0, 2).sort()).toEqual(members.map(({ digest }) => `PUT /v2/app/manifests/${digest}`).sort());
    expect(puts[2]).toBe('PUT /v2/app/manifests/1');
  });

  it('accepts a member that only the registry has', async () => {
    const { registry, source, push } = await setUp();
    const here = manifestIn(source, ['a']);
    const elsewhere = createMemoryBlobs();
    const absent = manifestIn(elsewhere, ['z'], 'arm64');
    const index = indexIn(source, [here, absent]);
    expect((await failureOf(push(index))).code).toBe('BLOB_MISSING');
    registry.putManifest('app', 'other', elsewhere.blobs.get(absent.digest), MEDIA_TYPES.ociManifest);
    await push(index);
    expect(registry.manifest('app', '1')).toBeDefined();
  });

  it('leaves layers out that may not be distributed', async () => {
    const { registry, source, push } = await setUp();
    const foreign = {
      mediaType: MEDIA_TYPES.dockerForeignLayer,
      digest: digestOf('windows'),
      size: 7,
      urls: ['https://example.com/w'],
    };
    const config = descriptorIn(source, {}, MEDIA_TYPES.dockerConfig);
    const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.dockerManifest, config, layers: [foreign] };
    expect(await push(descriptorIn(source, document, MEDIA_TYPES.dockerManifest))).toMatchObject({ uploaded: 1 });
    expect(registry.blob('app', foreign.digest)).toBeUndefined();
  });

  it('stops the other transfers when one fails, and pushes no manifest', async () => {
    const { registry, source, push } = await setUp();
    registry.inject({
      method: 'POST',
      after: 1,
      answer: { status: 403, body: Buffer.from('{"errors":[{"code":"DENIED","message":"quota"}]}') },
    });
    const error = await failureOf(push(manifestIn(source, ['a', 'b', 'c', 'd', 'e', 'f'])));
    expect(error.code).toBe('REGISTRY_DENIED');
    expect(error.message).toContain('quota');
    expect(registry.seen('PUT').some((line) => line.includes('/manifests/'))).toBe(false);
  });
});

describe('pullImage()', () => {
  it('fetches the image of the wanted platform, and nothing of the others', async () => {
    const { source, push, pull } = await setUp();
    const attestation = {
      ...manifestIn(source, ['sbom'], 'unknown'),
      platform: { os: 'unknown', architecture: 'unknown' },
    };
    const wanted = manifestIn(source, ['a', 'b']);
    const index = indexIn(source, [attestation, manifestIn(source, ['z'], 'arm64'), wanted]);
    await push(index);
    const sink = createMemoryBlobs();
    const pulled = await pull(sink);
    expect(pulled.root.digest).toBe(index.digest);
    expect(pulled.manifest.digest).toBe(wanted.digest);
    expect(pulled.layers.map(({ digest }) => digest)).toEqual([digestOf('a'), digestOf('b')]);
    expect(sink.blobs.has(digestOf('a'))).toBe(true);
    expect(sink.blobs.has(digestOf('z'))).toBe(false);
    expect(sink.blobs.size).toBe(5);
  });

  it('leaves the layers where they are when asked to', async () => {
    const { registry, source, push, pull } = await setUp();
    await push(manifestIn(source, ['a', 'b']));
    const before = registry.seen('GET').length;
    const sink = createMemoryBlobs();
    const pulled = await pull(sink, { layers: 'none' });
    expect(pulled.layers).toHaveLength(2);
    expect(sink.blobs.size).toBe(2);
    expect(registry.seen('GET')).toHaveLength(before + 2);
  });

  it('needs one HEAD when everything is here, and no request at all for a digest', async () => {
    const { registry, client, source, reference, push, pull, context } = await setUp();
    const manifest = manifestIn(source, ['a']);
    await push(manifest);
    const sink = createMemoryBlobs();
    await pull(sink);
    const before = registry.seen().length;
    await pull(sink);
    expect(registry.seen().slice(before)).toEqual(['HEAD /v2/app/manifests/1']);
    const byDigest = { registry: reference.registry, repository: reference.repository, digest: manifest.digest };
    const pulled = await pullImage(client, { reference: byDigest, sink, platform: AMD64 }, context);
    expect(pulled.manifest).toEqual({ mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size });
    expect(registry.seen()).toHaveLength(before + 1);
  });

  it('names the platforms that there are', async () => {
    const { source, push, pull } = await setUp();
    await push(indexIn(source, [manifestIn(source, ['a']), manifestIn(source, ['b'], 's390x')]));
    const error = await failureOf(pull(createMemoryBlobs(), { platform: { os: 'linux', architecture: 'arm64' } }));
    expect(error.code).toBe('PLATFORM_NOT_FOUND');
    expect(error.hint).toContain('linux/amd64, linux/s390x');
  });

  it('goes through nested indexes, to a depth', async () => {
    const { registry, source, pull } = await setUp();
    const wanted = manifestIn(source, ['a']);
    let index = wanted;
    for (let depth = 0; depth < 8; depth += 1) {
      index = { ...indexIn(source, [index]), platform: { os: 'linux', architecture: 'amd64' } };
      if (depth === 1)
        for (const [digest, bytes] of source.blobs)
          registry.putManifest(
            'app',
            digest,
            bytes,
            JSON.parse(`${bytes.toString().startsWith('{') ? bytes : '{}'}`).mediaType ?? '',
          );
      if (depth === 1) for (const bytes of source.blobs.values()) registry.putBlob('app', bytes);
      if (depth === 1) registry.putManifest('app', '1', source.blobs.get(index.digest), MEDIA_TYPES.ociIndex);
      if (depth === 1) expect((await pull(createMemoryBlobs())).manifest.digest).toBe(wanted.digest);
    }
    for (const bytes of source.blobs.values())
      if (bytes.toString().startsWith('{'))
        registry.putManifest('app', '1', bytes, JSON.parse(bytes.toString()).mediaType ?? '');
    expect((await failureOf(pull(createMemoryBlobs()))).code).toBe('IMAGE_INVALID');
  });

  it('takes null for no layers, as programs in Go write it', async () => {
    const { registry, pull } = await setUp();
    const config = registry.putBlob('app', '{}');
    const descriptor = { mediaType: MEDIA_TYPES.ociConfig, digest: config.digest, size: config.sizeBytes };
    registry.putManifest('app', '1', { schemaVersion: 2, config: descriptor, layers: null }, MEDIA_TYPES.ociManifest);
    expect((await pull(createMemoryBlobs())).layers).toEqual([]);
  });

  it('refuses a manifest that is none', async () => {
    const { registry, pull } = await setUp();
    registry.putManifest(
      'app',
      '1',
      { schemaVersion: 2, config: { digest: '../../etc' }, layers: [] },
      MEDIA_TYPES.ociManifest,
    );
    expect((await failureOf(pull(createMemoryBlobs()))).code).toBe('IMAGE_INVALID');
  });

  it('fetches a layer again that came with wrong bytes once', async () => {
    const { registry, source, push, pull } = await setUp();
    await push(manifestIn(source, ['a']));
    registry.inject({
      method: 'GET',
      path: new RegExp(digestOf('a')),
      answer: { status: 200, body: Buffer.from('b') },
    });
    const sink = createMemoryBlobs();
    await pull(sink);
    expect(sink.blobs.has(digestOf('a'))).toBe(true);
  });

  it('ends with the first failure, and the others end with it', async () => {
    const { registry, source, push, pull, context } = await setUp();
    await push(manifestIn(source, ['a', 'b', 'c', 'd']));
    registry.inject({ method: 'GET', path: new RegExp(digestOf('b')), times: 9, answer: { status: 403 } });
    registry.inject({
      method: 'GET',
      path: new RegExp(digestOf('a')),
      times: 9,
      change: (answer) => ({ ...answer, stallAfter: 0 }),
    });
    expect((await failureOf(pull(createMemoryBlobs()))).code).toBe('REGISTRY_DENIED');
    const started = context.events.filter(
      (event) => event.kind === 'transfer' && !event.done && event.currentBytes === 0,
    );
    const ended = context.events.filter((event) => event.kind === 'transfer' && event.done);
    expect(ended.length).toBe(started.length);
  });
});
