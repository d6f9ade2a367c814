import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, type Platform, parseReference } from '../../src/core/index.ts';
import { type Descriptor, type Manifest, MEDIA_TYPES } from '../../src/oci/index.ts';
import {
  type CredentialProvider,
  createRegistryClient,
  pullImage,
  pushImage,
  type RegistryClient,
} from '../../src/registry/index.ts';
import { type DockerRegistry, missingPrograms, startDockerRegistry } from './docker-registry.ts';
import { createMemoryBlobs, createTestContext, type MemoryBlobs } from './memory-sink.ts';

const run = promisify(execFile);
const AMD64: Platform = { os: 'linux', architecture: 'amd64' };
const ANONYMOUS: CredentialProvider = {
  resolve: async () => ({ credentials: { kind: 'anonymous' }, source: 'none' }),
};

/** An image of random layers in a memory store. */
function createImage(
  blobs: MemoryBlobs,
  options: { readonly docker?: boolean; readonly layerSizes?: readonly number[] } = {},
): Descriptor {
  const types = options.docker
    ? { manifest: MEDIA_TYPES.dockerManifest, config: MEDIA_TYPES.dockerConfig, layer: MEDIA_TYPES.dockerLayerGzip }
    : { manifest: MEDIA_TYPES.ociManifest, config: MEDIA_TYPES.ociConfig, layer: MEDIA_TYPES.ociLayerGzip };
  const tars = (options.layerSizes ?? [1000, 300_000]).map((size) => Buffer.concat([tarOf(randomBytes(size))]));
  const layers = tars.map((tar) => {
    const blob = blobs.put(gzipSync(tar));
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
    await rm(work, { recursive: true, force: true });
  });

  const reference = (name: string) => parseReference(`${registry.host}/${name}`);
  const _skopeo = (...args: readonly string[]) => run('skopeo', ['--insecure-policy', ...args]);

  for (const docker of [false, true]) {
    it(`pushes an image of ${docker ? 'Docker' : 'OCI'} types and pulls the same bytes`, async () => {
      const source = createMemoryBlobs();
      const manifest = createImage(source, { docker });
      const target = reference(`own/${docker ? 'docker' : 'oci'}:1`);
      const context = createTestContext();
      const pushed = await pushImage(client, { source, manifest, reference: target }, context);
      expect(pushed).toMatchObject({ existed: 0, mounted: 0, uploaded: 3 });
      const sink = createMemoryBlobs();
      const pulled = await pullImage(client, { reference: target, platform: AMD64, sink }, createTestContext());
      expect(pulled.root).toEqual(manifest);
      expect([...sink.blobs.keys()].sort()).toEqual([...source.blobs.keys()].sort());
      const again = await pushImage(client, { source, manifest, reference: target }, createTestContext());
      expect(again).toMatchObject({ existed: 3, mounted: 0, uploaded: 0 });
    });
  }
});
