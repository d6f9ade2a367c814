import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyImage, parseImagePlace } from '../../src/copy/index.ts';
import { digestOf, type Platform, parseReference } from '../../src/core/index.ts';
import { type Descriptor, type Manifest, MEDIA_TYPES } from '../../src/oci/index.ts';
import {
  type CredentialProvider,
  createDockerCredentials,
  createRegistryClient,
  pullImage,
  pushImage,
  type RegistryClient,
  saveCredentials,
} from '../../src/registry/index.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import { type DockerRegistry, missingPrograms, startDockerRegistry } from './docker-registry.ts';
import { indexIn } from './memory-images.ts';
import { createMemoryBlobs, createTestContext, type MemoryBlobs } from './memory-sink.ts';

const run = promisify(execFile);
const AMD64: Platform = { os: 'linux', architecture: 'amd64' };
const ANONYMOUS: CredentialProvider = {
  resolve: async () => ({ credentials: { kind: 'anonymous' }, source: 'none' }),
};

/** An image of random layers in a memory store. */
function createImage(
  blobs: MemoryBlobs,
  options: { readonly docker?: boolean; readonly plain?: boolean; readonly layerSizes?: readonly number[] } = {},
): Descriptor {
  const types = options.docker
    ? { manifest: MEDIA_TYPES.dockerManifest, config: MEDIA_TYPES.dockerConfig, layer: MEDIA_TYPES.dockerLayerGzip }
    : {
        manifest: MEDIA_TYPES.ociManifest,
        config: MEDIA_TYPES.ociConfig,
        layer: options.plain ? MEDIA_TYPES.ociLayer : MEDIA_TYPES.ociLayerGzip,
      };
  const tars = (options.layerSizes ?? [1000, 300_000]).map((size) => Buffer.concat([tarOf(randomBytes(size))]));
  const layers = tars.map((tar) => {
    const blob = blobs.put(options.plain ? tar : gzipSync(tar));
    return { mediaType: types.layer, digest: blob.digest, size: blob.sizeBytes };
  });
  const diffIds = tars.map((tar) => digestOf(tar));
  const config = blobs.put(
    JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: diffIds } }),
  );
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: { mediaType: types.config, digest: config.digest, size: config.sizeBytes },
    layers,
  };
  const blob = blobs.put(JSON.stringify(manifest));
  return { mediaType: types.manifest, digest: blob.digest, size: blob.sizeBytes };
}

/** The directory that skopeo calls `dir:`. */
async function writeDirectory(directory: string, blobs: MemoryBlobs, manifest: Descriptor): Promise<void> {
  await mkdir(directory);
  await writeFile(join(directory, 'version'), 'Directory Transport Version: 1.1\n');
  for (const [digest, bytes] of blobs.blobs) {
    await writeFile(
      join(directory, digest === manifest.digest ? 'manifest.json' : digest.slice('sha256:'.length)),
      bytes,
    );
  }
}

/** A tar with the one file `data`. */
function tarOf(content: Buffer): Buffer {
  const header = Buffer.alloc(512);
  const fields: ReadonlyArray<readonly [number, string]> = [
    [0, 'data'],
    [100, '0000644\0'],
    [108, '0000000\0'],
    [116, '0000000\0'],
    [124, `${content.length.toString(8).padStart(11, '0')}\0`],
    [136, '00000000000\0'],
    [148, '        '],
    [156, '0'],
    [257, 'ustar\u000000'],
  ];
  for (const [at, text] of fields) header.write(text, at, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, content, Buffer.alloc(((512 - (content.length % 512)) % 512) + 1024)]);
}

const missing = missingPrograms('docker-registry', 'skopeo', 'buildah');

describe.skipIf(missing.length > 0)('registry client against docker-registry', () => {
  let registry: DockerRegistry;
  let client: RegistryClient;
  let work: string;

  beforeAll(async () => {
    registry = await startDockerRegistry();
    client = createRegistryClient({ credentials: ANONYMOUS });
    work = await mkdtemp(join(tmpdir(), 'zlayer-registry-test-'));
  });
  afterAll(async () => {
    await client.close();
    await registry.stop();
    // buildah keeps directories of images as they are, those without a right to write too.
    await run('chmod', ['-R', 'u+rwX', work]);
    await rm(work, { recursive: true, force: true });
  });

  const reference = (name: string) => parseReference(`${registry.host}/${name}`);
  const skopeo = (...args: readonly string[]) => run('skopeo', ['--insecure-policy', ...args]);
  const pull = async (name: string, platform = AMD64) => {
    const sink = createMemoryBlobs();
    return { sink, ...(await pullImage(client, { reference: reference(name), platform, sink }, createTestContext())) };
  };
  const pushOwn = async (name: string, options: Parameters<typeof createImage>[1] = {}) => {
    const source = createMemoryBlobs();
    const manifest = createImage(source, options);
    const pushed = await pushImage(client, { source, manifest, reference: reference(name) }, createTestContext());
    return { source, manifest, pushed };
  };

  for (const docker of [false, true]) {
    const name = `own/${docker ? 'docker' : 'oci'}:1`;

    it(`pushes an image of ${docker ? 'Docker' : 'OCI'} types and pulls the same bytes`, async () => {
      const { source, manifest, pushed } = await pushOwn(name, { docker });
      expect(pushed).toMatchObject({ existed: 0, mounted: 0, uploaded: 3 });
      const pulled = await pull(name);
      expect(pulled.root).toEqual(manifest);
      expect([...pulled.sink.blobs.keys()].sort()).toEqual([...source.blobs.keys()].sort());
      const again = await pushImage(client, { source, manifest, reference: reference(name) }, createTestContext());
      expect(again).toMatchObject({ existed: 3, mounted: 0, uploaded: 0 });
    });

    it(`pushes an image of ${docker ? 'Docker' : 'OCI'} types that skopeo copies`, async () => {
      const { manifest } = await pushOwn(name, { docker });
      const target = join(work, `copy-${docker}`);
      await skopeo(
        'copy',
        '--preserve-digests',
        '--src-tls-verify=false',
        `docker://${registry.host}/${name}`,
        `dir:${target}`,
      );
      expect(digestOf(await readFile(join(target, 'manifest.json')))).toBe(manifest.digest);
    });
  }

  it('mounts layers from another repository', async () => {
    const { source, manifest } = await pushOwn('mount/from:1');
    const mountFrom = () => [`${registry.host}/mount/from:1`];
    const target = reference('mount/to:1');
    expect(
      await pushImage(client, { source, manifest, reference: target, mountFrom }, createTestContext()),
    ).toMatchObject({ mounted: 3, uploaded: 0 });
    expect((await pull('mount/to:1')).root.digest).toBe(manifest.digest);
  });

  it('pushes and pulls many layers at once, and large ones', async () => {
    const layerSizes = [5_000_000, ...Array.from({ length: 20 }, (_, index) => index * 1000)];
    const { source } = await pushOwn('own/many:1', { layerSizes });
    const pulled = await pull('own/many:1');
    expect(pulled.sink.blobs.size).toBe(source.blobs.size);
  });

  for (const [format, compression] of [
    ['oci', 'gzip'],
    ['oci', 'zstd'],
    ['v2s2', 'gzip'],
  ] as const) {
    it(`pulls what skopeo pushed as ${format} with ${compression}`, async () => {
      const name = `skopeo/${format}-${compression}:1`;
      // skopeo compresses only what is not compressed, and what no registry is known to hold.
      const directory = join(work, `plain-${format}-${compression}`);
      const source = createMemoryBlobs();
      await writeDirectory(directory, source, createImage(source, { plain: true }));
      const compress = ['--dest-compress', '--dest-compress-format', compression];
      const target = `docker://${registry.host}/${name}`;
      await skopeo('copy', '--dest-tls-verify=false', '--format', format, ...compress, `dir:${directory}`, target);
      const pulled = await pull(name);
      const types = pulled.layers.map(({ mediaType }) => mediaType);
      const expected =
        format === 'v2s2'
          ? MEDIA_TYPES.dockerLayerGzip
          : compression === 'zstd'
            ? MEDIA_TYPES.ociLayerZstd
            : MEDIA_TYPES.ociLayerGzip;
      expect(new Set(types)).toEqual(new Set([expected]));
      expect(pulled.sink.blobs.size).toBe(4);
    });
  }

  for (const format of ['oci', 'v2s2'] as const) {
    it(`pulls each platform of a list that buildah pushed as ${format}`, async () => {
      const list = `zlayer-test-${process.pid}-${format}`;
      const storage = ['--root', join(work, 'storage'), '--runroot', join(work, 'run'), '--storage-driver', 'vfs'];
      const buildah = (...args: readonly string[]) => run('buildah', [...storage, ...args]);
      await buildah('manifest', 'create', list);
      for (const architecture of ['amd64', 'arm64']) {
        const { stdout } = await buildah('from', 'scratch');
        const container = stdout.trim();
        await buildah('config', '--arch', architecture, '--os', 'linux', '--label', `arch=${architecture}`, container);
        const file = join(work, `${architecture}.txt`);
        await writeFile(file, architecture);
        await buildah('copy', container, file, '/arch');
        await buildah('commit', '--format', format === 'oci' ? 'oci' : 'docker', '--manifest', list, container);
      }
      await buildah(
        'manifest',
        'push',
        '--all',
        '--tls-verify=false',
        '--format',
        format,
        list,
        `docker://${registry.host}/buildah/${format}:1`,
      );
      for (const architecture of ['amd64', 'arm64']) {
        const pulled = await pull(`buildah/${format}:1`, { os: 'linux', architecture });
        expect(pulled.root.mediaType).toBe(format === 'oci' ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.dockerIndex);
        const config = JSON.parse(pulled.sink.blobs.get(pulled.config.digest)!.toString());
        expect(config).toMatchObject({ architecture, config: { Labels: { arch: architecture } } });
      }
      // What was pulled for one platform goes out again whole: the registry has the rest.
      const pulled = await pull(`buildah/${format}:1`);
      await pushImage(
        client,
        { source: pulled.sink, manifest: pulled.root, reference: reference(`buildah/${format}:copy`) },
        createTestContext(),
      );
      expect((await pull(`buildah/${format}:copy`)).root.digest).toBe(pulled.root.digest);
    });
  }

  it('copies what skopeo wrote, and writes what skopeo copies', async () => {
    const source = createMemoryBlobs();
    const members = ['amd64', 'arm64'].map((architecture) => ({
      ...createImage(source),
      platform: { os: 'linux', architecture },
    }));
    const index = indexIn(source, members);
    await pushImage(client, { source, manifest: index, reference: reference('copy/from:1') }, createTestContext());
    const layout = join(work, 'layout');
    const deps = {
      store: () => Promise.reject(new Error('no store')),
      source: async () => client,
      destination: async () => client,
    };
    const copy = (from: string, to: string) =>
      copyImage(deps, { source: parseImagePlace(from), destination: parseImagePlace(to) }, createTestContext());
    const raw = async (...place: readonly string[]) => digestOf((await skopeo('inspect', '--raw', ...place)).stdout);
    const whole = ['copy', '--all', '--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false'];

    expect((await copy(`docker://${registry.host}/copy/from:1`, `oci:${layout}:ours`)).sent).toBe(9);
    await skopeo(...whole, `oci:${layout}:ours`, `docker://${registry.host}/copy/skopeo:1`);
    await skopeo(...whole, `docker://${registry.host}/copy/skopeo:1`, `oci:${layout}:theirs`);
    await skopeo(...whole, `oci:${layout}:theirs`, `oci-archive:${layout}.tar:theirs`);
    const back = await copy(`oci:${layout}:theirs`, `${registry.host}/copy/to:1`);
    expect(back.descriptor.digest).toBe(index.digest);
    expect(await raw('--tls-verify=false', `docker://${registry.host}/copy/to:1`)).toBe(index.digest);
    expect(await copy(`${registry.host}/copy/skopeo:1`, `${registry.host}/copy/mounted:1`)).toMatchObject({
      mounted: 6,
    });

    const archive = `${layout}-ours.tar`;
    await copy(`oci:${layout}:theirs`, `oci-archive:${archive}:ours`);
    // skopeo gives the files that it unpacks their owner, which only root may do.
    if (process.getuid?.() === 0) expect(await raw(`oci-archive:${archive}:ours`)).toBe(index.digest);
    else console.warn('Skipped: skopeo reads an oci-archive as root alone.');
  });

  it('lists its repositories', async () => {
    await pushOwn('own/listed:1');
    expect(await client.listRepositories(registry.host, createTestContext())).toContain('own/listed');
  });

  it('lists tags, and deletes by digest', async () => {
    const { manifest } = await pushOwn('own/tags:1');
    await pushOwn('own/tags:2');
    expect([...(await client.listTags(reference('own/tags'), createTestContext()))].sort()).toEqual(['1', '2']);
    const byDigest = { registry: registry.host, repository: 'own/tags', digest: manifest.digest };
    await client.deleteManifest(byDigest, createTestContext());
    await expect(client.resolve(byDigest, createTestContext())).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    expect(await client.listTags(reference('own/none'), createTestContext())).toEqual([]);
  });

  it('resumes an upload that a broken connection interrupted', async () => {
    const proxy = await startCuttingProxy(registry.host, 2_000_000);
    try {
      const source = createMemoryBlobs();
      const manifest = createImage(source, { layerSizes: [6_000_000] });
      const target = parseReference(`${proxy.host}/own/cut:1`);
      await pushImage(client, { source, manifest, reference: target }, createTestContext());
      expect(proxy.cuts()).toBe(1);
      expect((await pull('own/cut:1')).root.digest).toBe(manifest.digest);
    } finally {
      await proxy.close();
    }
  });
});

describe.skipIf(missing.length > 0)('registry client against docker-registry with passwords', () => {
  it('logs in with what the credential files hold', async () => {
    // bcrypt of "secret", as `htpasswd -B` writes it.
    const registry = await startDockerRegistry({
      htpasswd: 'ann:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n',
    });
    const home = await mkdtemp(join(tmpdir(), 'zlayer-home-'));
    const options = { env: {}, home };
    const ping = async (): Promise<void> => {
      const client = createRegistryClient({ credentials: createDockerCredentials(options) });
      await client.ping(registry.host, createTestContext()).finally(() => client.close());
    };
    const save = (password: string) =>
      saveCredentials(options, { registry: registry.host, credentials: { kind: 'basic', username: 'ann', password } });
    try {
      await expect(ping()).rejects.toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
      const { storedIn } = await save('wrong');
      await expect(ping()).rejects.toMatchObject({ facts: { credentialSource: `"${registry.host}" in ${storedIn}` } });
      await save('secret');
      await expect(ping()).resolves.toBeUndefined();
    } finally {
      await registry.stop();
      await rm(home, { recursive: true, force: true });
    }
  });
});
