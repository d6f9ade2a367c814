import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { putImage, putIndex } from '../../../test/cli/store-fixture.ts';
import type { RunContext } from '../../core/index.ts';
import { type Descriptor, MEDIA_TYPES } from '../../oci/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { FEATURES } from '../needs/features.ts';
import type { BuildBackend } from '../types.ts';
import { createNativeBackend } from './native-backend.ts';

const context: RunContext = { signal: new AbortController().signal, emit: () => undefined };
const home = mkdtempSync(join(tmpdir(), 'zlayer-native-'));
let store: Store;
let backend: BuildBackend;
let app: Descriptor;
let arm: Descriptor;

beforeAll(async () => {
  store = await openStore({ root: join(home, 'store') });
  const noRegistry = (): never => {
    throw new Error('no registry may be asked');
  };
  backend = createNativeBackend({ store, registry: noRegistry });
  const shared = 'shared';
  app = await putImage(store, {
    names: ['docker.io/library/app:1', 'docker.io/library/app:latest'],
    layers: ['app layer', shared],
    config: { created: '2026-01-02T00:00:00Z', config: { Env: ['A=1'] } },
  });
  arm = await putImage(store, { names: [], layers: ['arm', shared], config: { architecture: 'arm64' } });
  await putIndex(store, 'docker.io/library/multi:1', [
    { ...app, platform: { os: 'linux', architecture: 'amd64' } },
    { ...arm, platform: { os: 'linux', architecture: 'arm64' } },
  ]);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('createNativeBackend()', () => {
  it('tells of every feature whether it is there, or why not', () => {
    expect(Object.keys(backend.capabilities).toSorted()).toEqual(Object.keys(FEATURES).toSorted());
    for (const value of Object.values(backend.capabilities)) {
      if (value !== true) expect(value).toMatch(/^[a-z].*[^.]$/);
    }
  });

  it('lists every image once with all its names, platforms and size, the latest first', async () => {
    const images = await backend.listImages(context);
    expect(images.map(({ references }) => references)).toContainEqual([
      'docker.io/library/app:1',
      'docker.io/library/app:latest',
    ]);
    const multi = images.find(({ mediaType }) => mediaType === MEDIA_TYPES.ociIndex);
    expect(multi).toMatchObject({
      configDigest: undefined,
      sizeBytes: 'app layer'.length + 'arm'.length + 'shared'.length,
    });
    expect(multi?.platforms.map(({ architecture }) => architecture)).toEqual(['amd64', 'arm64']);
    expect(images[0]?.createdMs).toBe(Date.parse('2026-01-02T00:00:00Z'));
  });

  it('inspects an image by name, digest, and as part of an index', async () => {
    const byName = await backend.inspectImage('app:1', context);
    expect(byName).toMatchObject({ digest: app.digest, config: { config: { Env: ['A=1'] } } });
    expect(byName.layers.map(({ sizeBytes }) => sizeBytes)).toEqual([9, 6]);
    expect((await backend.inspectImage(arm.digest, context)).platforms).toEqual([
      { os: 'linux', architecture: 'arm64' },
    ]);
    expect(await backend.inspectImage('multi:1', context)).toMatchObject({ config: undefined, layers: [] });
  });

  it('tags and removes names', async () => {
    const receipt = await backend.tagImage({ image: arm.digest, reference: 'arm:1' }, context);
    expect(receipt).toEqual({
      reference: 'docker.io/library/arm:1',
      digest: arm.digest,
      mediaType: MEDIA_TYPES.ociManifest,
      sizeBytes: arm.size,
    });
    await backend.removeImage('arm:1', context);
    await expect(backend.inspectImage('arm:1', context)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    const digested = { image: 'app:1', reference: `x@${app.digest}` };
    await expect(backend.tagImage(digested, context)).rejects.toMatchObject({ code: 'REFERENCE_INVALID' });
  });

  it('exports to a layout under the names that are wanted, and does nothing for the store itself', async () => {
    const destination = join(home, 'layout');
    const references = ['registry.example.com/out:1'];
    await backend.exportImage(
      { image: app.digest, references, output: { kind: 'oci', destination, tar: false, compression: 'none' } },
      context,
    );
    expect(readFileSync(join(destination, 'index.json'), 'utf8')).toContain('"registry.example.com/out:1"');
    await backend.exportImage({ image: 'app:1', references, output: { kind: 'cacheonly' } }, context);
    const archive = { kind: 'docker', destination: join(home, 'x.tar') } as const;
    await expect(backend.exportImage({ image: 'multi:1', references, output: archive }, context)).rejects.toMatchObject(
      { code: 'UNSUPPORTED' },
    );
    expect(existsSync(archive.destination)).toBe(false);
  });

  it('says how steps run here, or everything that is in the way', async () => {
    const found = await backend.isAvailable(context);
    if (found.available) expect(found.details).toMatch(/^runs steps /);
    else expect(found.reasons.length).toBeGreaterThan(0);
  });
});
