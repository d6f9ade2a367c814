import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeDocker, openFakeDocker } from '../../../test/support/fake-docker.ts';
import { type BuildEvent, digestOf, type RunContext } from '../../core/index.ts';
import { type Descriptor, type ImageDocuments, MEDIA_TYPES, readImage } from '../../oci/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { put, putTestImage, TEST_CONTEXT, testFile } from '../test-image.ts';
import { findEngine } from './find-engine.ts';
import type { EngineKind, Env } from './types.ts';

const NAME = 'docker.io/library/app:latest';
const LAYERS = [
  [testFile('base', 'the base')],
  [testFile('deps', 'dependencies')],
  [testFile('app', 'first version')],
] as const;

let directory: string;
let store: Store;
const closing: FakeDocker[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'engines-'));
  store = await openStore({ root: join(directory, 'store') });
});
afterAll(async () => {
  for (const docker of closing) await docker.close();
  rmSync(directory, { recursive: true, force: true });
});

async function openDocker(name: string, kind: 'classic' | 'containerd'): Promise<FakeDocker> {
  const docker = await openFakeDocker(join(directory, name), kind);
  closing.push(docker);
  return docker;
}

/** A command on a PATH of its own. */
function install(name: string, script: string): string {
  const bin = mkdtempSync(join(directory, 'bin-'));
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
  return `${bin}:/bin:/usr/bin`;
}

async function load(env: Env, descriptor: Descriptor, more: { kind?: EngineKind; context?: RunContext } = {}) {
  const context = more.context ?? TEST_CONTEXT;
  const engine = await findEngine({ kind: more.kind, env }, context);
  await engine.load({ store }, { descriptor, references: [NAME] }, context);
  return engine;
}

const diffIdsOf = ({ layers }: ImageDocuments): readonly string[] => layers.map(({ diffId }) => diffId);
const read = (descriptor: Descriptor): Promise<ImageDocuments> => readImage(store.blobs, descriptor);

/** An index over images of this host's platform and of another. */
async function putIndex(images: readonly Descriptor[]): Promise<Descriptor> {
  const architectures = process.arch === 'arm64' ? ['arm64', 'amd64'] : ['amd64', 'arm64'];
  const manifests = [];
  for (const [at, image] of images.entries()) {
    const { manifest, config } = await read(image);
    const architecture = architectures[at]!;
    const own = await put(store, MEDIA_TYPES.ociConfig, { ...config, architecture });
    const { mediaType, digest, size } = await put(store, MEDIA_TYPES.ociManifest, { ...manifest, config: own });
    manifests.push({ mediaType, digest, size, platform: { architecture, os: 'linux' } });
  }
  return put(store, MEDIA_TYPES.ociIndex, { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests });
}

describe('loading into docker', () => {
  it('sends the classic store the layers above those that one of its images begins with', async () => {
    const docker = await openDocker('classic', 'classic');
    const env = { DOCKER_HOST: docker.host };
    const first = await read(await putTestImage(store, LAYERS));
    await load(env, first.descriptor);
    const second = await read(await putTestImage(store, [...LAYERS.slice(0, 2), [testFile('app', 'second version')]]));
    await load(env, second.descriptor);
    expect(docker.loads.map(({ layers, error }) => [layers.toSorted(), error])).toEqual([
      [diffIdsOf(first).toSorted(), undefined],
      [[diffIdsOf(second).at(-1)], undefined],
    ]);
    expect(docker.names.get('app:latest')).toBe(second.manifest.config.digest);
    // The same layer above one that is not there has no such chain.
    const other = await read(await putTestImage(store, [[testFile('other', 'x')], LAYERS[1]]));
    await load(env, other.descriptor);
    expect(docker.loads.at(-1)!.layers.toSorted()).toEqual(diffIdsOf(other).toSorted());
  });

  it('sends everything where the engine has lost what it said it had', async () => {
    const docker = await openDocker('forgetful', 'classic');
    const { descriptor, manifest } = await read(await putTestImage(store, LAYERS));
    await load({ DOCKER_HOST: docker.host }, descriptor);
    docker.forgetLayers();
    await load({ DOCKER_HOST: docker.host }, descriptor);
    expect(docker.loads.map(({ layers, error }) => [layers.length, error === undefined])).toEqual([
      [3, true],
      [0, false],
      [3, true],
    ]);
    expect(docker.names.get('app:latest')).toBe(manifest.config.digest);
  });

  it('takes the platform of this host for the classic store, and says so', async () => {
    const docker = await openDocker('platform', 'classic');
    const index = await putIndex([await putTestImage(store, [LAYERS[0]]), await putTestImage(store, [LAYERS[1]])]);
    const events: BuildEvent[] = [];
    const context = { signal: TEST_CONTEXT.signal, emit: (event: BuildEvent) => events.push(event) };
    await load({ DOCKER_HOST: docker.host }, index, { context });
    expect(docker.loads.map(({ layers }) => layers.length)).toEqual([1]);
    expect(events).toContainEqual(expect.objectContaining({ kind: 'warning', code: 'LOAD_ONE_PLATFORM' }));
  });

  it('gives the containerd image store all platforms, and later what was not loaded before', async () => {
    const docker = await openDocker('containerd', 'containerd');
    const env = { DOCKER_HOST: docker.host };
    const images = [await putTestImage(store, LAYERS), await putTestImage(store, [LAYERS[0]])];
    const index = await putIndex(images);
    await load(env, index);
    expect(docker.names.get(NAME)).toBe(index.digest);
    await load(env, await putTestImage(store, [...LAYERS, [testFile('more', 'more')]]));
    docker.forgetLayers();
    await load(env, index);
    expect(docker.loads.map(({ layers, error }) => [layers.length, error === undefined])).toEqual([
      [3, true],
      [1, true],
      [0, false],
      [3, true],
    ]);
  });

  it('tells what the engine says when it refuses', async () => {
    const docker = await openDocker('refusing', 'classic');
    const { manifest } = await read(await putTestImage(store, LAYERS));
    const config = await put(store, MEDIA_TYPES.ociConfig, {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: LAYERS.map(() => digestOf('no such layer')) },
    });
    const broken = await put(store, MEDIA_TYPES.ociManifest, { ...manifest, config });
    await expect(load({ DOCKER_HOST: docker.host }, broken)).rejects.toMatchObject({
      code: 'OUTPUT_FAILED',
      message: expect.stringContaining('invalid diffID for layer 0'),
    });
  });

  it('finds the engine of the context that is in use', async () => {
    const docker = await openDocker('context', 'classic');
    const config = join(directory, 'docker-config');
    const id = digestOf('mine').slice('sha256:'.length);
    mkdirSync(join(config, 'contexts/meta', id), { recursive: true });
    writeFileSync(join(config, 'config.json'), JSON.stringify({ currentContext: 'mine' }));
    const meta = { Name: 'mine', Endpoints: { docker: { Host: docker.host } } };
    writeFileSync(join(config, 'contexts/meta', id, 'meta.json'), JSON.stringify(meta));
    const engine = await load({ DOCKER_CONFIG: config }, await putTestImage(store, LAYERS));
    expect([engine.kind, docker.loads.length]).toEqual(['docker', 1]);
  });
});

describe('loading into containerd', () => {
  it('imports what containerd does not list, through its own command', async () => {
    const { descriptor, layers, manifest } = await read(await putTestImage(store, LAYERS));
    const state = join(directory, 'ctr');
    mkdirSync(state);
    writeFileSync(join(state, 'socket'), '');
    writeFileSync(join(state, 'content'), `${layers[0]!.diffId}\n${layers[2]!.diffId}\n`);
    const PATH = install(
      'ctr',
      `echo "$@" >> ${state}/calls
case "$*" in *"content ls"*) cat ${state}/content;; *import*) tar -t > ${state}/members;; esac`,
    );
    const env = { PATH, CONTAINERD_ADDRESS: join(state, 'socket'), CONTAINERD_NAMESPACE: 'k8s.io' };
    await load(env, descriptor, { kind: 'containerd' });
    const members = readFileSync(join(state, 'members'), 'utf8').trim().split('\n').toSorted();
    const blobs = [layers[1]!.diffId, manifest.config.digest, descriptor.digest];
    const paths = blobs.map((digest) => `blobs/sha256/${digest.slice('sha256:'.length)}`);
    expect(members).toEqual([...paths, 'index.json', 'oci-layout'].toSorted());
    expect(readFileSync(join(state, 'calls'), 'utf8')).toContain('--namespace k8s.io images import --all-platforms -');
  });
});

describe('loading into podman', () => {
  it('sends an archive to one that works elsewhere, and tells what it says', async () => {
    const state = join(directory, 'remote');
    const script = `case "$1" in info) echo true;; load) tar -t > ${state} && test ! -e ${state}.full;; *) exit 9;; esac`;
    const env = { PATH: install('podman', `${script} || { echo no space left >&2; exit 125; }`) };
    const descriptor = await putTestImage(store, LAYERS);
    await load(env, descriptor, { kind: 'podman' });
    expect(readFileSync(state, 'utf8')).toContain('manifest.json');
    writeFileSync(`${state}.full`, '');
    await expect(load(env, descriptor, { kind: 'podman' })).rejects.toMatchObject({
      code: 'OUTPUT_FAILED',
      message: expect.stringContaining('no space left'),
    });
  });
});

describe('findEngine()', () => {
  const nowhere = { DOCKER_HOST: 'unix:///no/such/docker.sock', PATH: '/no/such/bin' };

  it('says everything that it looked for', async () => {
    await expect(findEngine({ env: nowhere }, TEST_CONTEXT)).rejects.toMatchObject({
      code: 'HOST_LACKS',
      message:
        'The image cannot be loaded: there is no docker, podman or containerd here. docker: no engine at unix:///no/such/docker.sock (there is no such socket); podman: no such command on PATH; containerd: no command ctr on PATH.',
    });
    await expect(findEngine({ env: nowhere, kind: 'podman' }, TEST_CONTEXT)).rejects.toThrow(
      'there is no podman here. podman: no such command on PATH.',
    );
  });

  it('says why an address of docker cannot be used', async () => {
    const env = { DOCKER_HOST: 'ssh://builder', PATH: '' };
    await expect(findEngine({ env, kind: 'docker' }, TEST_CONTEXT)).rejects.toThrow('only unix:// and tcp:// can be');
    const closed = { DOCKER_HOST: 'tcp://127.0.0.1:1', PATH: '' };
    await expect(findEngine({ env: closed, kind: 'docker' }, TEST_CONTEXT)).rejects.toThrow('ECONNREFUSED');
  });

  it('takes the first that is there', async () => {
    const PATH = install('podman', 'exit 0');
    expect((await findEngine({ env: { ...nowhere, PATH } }, TEST_CONTEXT)).kind).toBe('podman');
    expect(existsSync('/no/such/docker.sock')).toBe(false);
  });
});
