import { describe, expect, it } from 'vitest';
import { type CommandOutcome, runFake } from '../../../test/cli/fake-context.ts';
import type { BackendUse, BuildBackend, ImageDetails } from '../../backends/index.ts';
import type { Digest } from '../../core/index.ts';
import type { Services } from '../services.ts';

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;
const IMAGE: ImageDetails = {
  digest: DIGEST,
  configDigest: `sha256:${'b'.repeat(64)}` as Digest,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  references: ['docker.io/me/app:1.0', 'localhost/app:latest'],
  platforms: [{ os: 'linux', architecture: 'arm64' }],
  sizeBytes: 5_000_000,
  createdMs: Date.parse('2026-01-10T09:00:00Z'),
  config: {
    os: 'linux',
    architecture: 'arm64',
    rootfs: { type: 'layers', diff_ids: [DIGEST] },
    config: { Cmd: ['sh'] },
    history: [{ created_by: 'RUN make' }],
  },
  layers: [
    { diffId: DIGEST, digest: DIGEST, mediaType: 'application/vnd.oci.image.layer.v1.tar', sizeBytes: 5_000_000 },
  ],
};

/** A backend that has one image, and keeps what is done to it. */
function createFakeBackend(name: BuildBackend['name'] = 'buildah-cli') {
  const done: unknown[] = [];
  const uses: BackendUse[] = [];
  const backend = {
    name,
    listImages: async () => [IMAGE],
    inspectImage: async () => IMAGE,
    tagImage: async (input: unknown) => void done.push(input),
    removeImage: async (reference: string) => void done.push(reference),
    exportImage: async (input: unknown) => void done.push(input),
    prune: async () => ({ freedBytes: 1000 }),
  } as unknown as BuildBackend;
  const withBackend: Services['withBackend'] = (use, { signal }, work) => {
    uses.push(use);
    return work(backend, { signal, emit: () => undefined });
  };
  return { done, uses, services: { withBackend } };
}

const run = (
  args: readonly string[],
  fake = createFakeBackend(),
  env: Readonly<Record<string, string>> = {},
): Promise<CommandOutcome> =>
  runFake([...args], { services: fake.services, env, nowMs: Date.parse('2026-01-10T12:00:00Z'), cwd: '/work' });

describe('commands about the images of another backend', () => {
  it.each([
    [['images', '--backend', 'buildah'], {}, 'buildah-cli'],
    [['images'], { ZLAYER_BACKEND: 'buildah' }, undefined],
    [['images'], { ZLAYER_BUILDD_ADDR: 'builder.example:7443' }, undefined],
  ])('%j with %j asks the backend that a build would take', async (args, env, backend) => {
    const fake = createFakeBackend();
    const { stdout } = await run(args, fake, env);
    expect(fake.uses).toEqual([{ backend, dataDir: undefined }]);
    expect(stdout).toMatch(/^me\/app +1\.0 +b{12} +3 hours ago +5MB$/m);
    expect(stdout).toMatch(/^localhost\/app +latest +b{12} /m);
  });

  it('reads the local store where nothing says otherwise, or native is named', async () => {
    for (const args of [['images'], ['images', '--backend', 'native']]) {
      const { stderr } = await run(args);
      expect(stderr).toContain('did not expect a call of openStore');
    }
  });

  it('inspect shows what docker inspect does', async () => {
    const { stdout } = await run(['inspect', '--backend', 'buildah', 'app']);
    expect(JSON.parse(stdout)).toMatchObject([
      {
        Id: IMAGE.configDigest,
        RepoTags: ['me/app:1.0', 'localhost/app:latest'],
        Architecture: 'arm64',
        Config: { Cmd: ['sh'] },
      },
    ]);
  });

  it('history shows its steps, tag and save hand their names on, prune tells what it freed', async () => {
    const fake = createFakeBackend();
    expect((await run(['history', '--backend', 'buildah', 'app'], fake)).stdout).toContain('RUN make');
    await run(['tag', '--backend', 'buildah', 'app', 'other:2'], fake);
    await run(['save', '--backend', 'buildah', '-o', 'app.tar', 'app'], fake);
    expect(fake.done).toEqual([
      { image: 'app', reference: 'docker.io/library/other:2' },
      { image: 'app', references: IMAGE.references, output: { kind: 'docker', destination: '/work/app.tar' } },
    ]);
    expect((await run(['prune', '--backend', 'buildah', '--force'], fake)).stdout).toBe('Deleted 1kB\n');
  });

  it('rmi takes one name away, and of an id all names only with --force', async () => {
    const fake = createFakeBackend();
    expect((await run(['rmi', '--backend', 'buildah', 'me/app:1.0'], fake)).stdout).toBe('Untagged: me/app:1.0\n');
    expect(fake.done).toEqual(['docker.io/me/app:1.0']);
    const refused = await run(['rmi', '--backend', 'buildah', 'bbbbbbbbbbbb'], fake);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('has 2 names');
    await run(['rmi', '--backend', 'buildah', '--force', 'bbbbbbbbbbbb'], fake);
    expect(fake.done.slice(1)).toEqual(IMAGE.references);
  });

  it.each([
    [['inspect', '--raw', 'app'], '--raw'],
    [['history', '--platform', 'linux/amd64', 'app'], '--platform'],
    [['save', 'app', 'other'], 'Saving several images'],
  ])('%j is refused, by name', async ([verb = '', ...args], what) => {
    const { status, stderr } = await run([verb, '--backend', 'buildah', ...args]);
    expect(status).toBe(3);
    expect(stderr).toContain(`${what}`);
    expect(stderr).toContain('buildah-cli');
  });
});
