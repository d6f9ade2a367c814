import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandOutcome, type FakeOptions, runFake } from '../../../test/cli/fake-context.ts';
import { createStoreFixture, putImage, putIndex, type StoreFixture } from '../../../test/cli/store-fixture.ts';
import type { Descriptor } from '../../oci/index.ts';

const NOW_MS = Date.parse('2026-01-10T12:00:00Z');
const APP = 'docker.io/me/app:1.0';

let fixture: StoreFixture;
let app: Descriptor;
beforeAll(async () => {
  fixture = await createStoreFixture();
  const { store } = fixture;
  app = await putImage(store, {
    names: [APP, 'registry.example.com:5000/app:1.0'],
    layers: ['first layer', 'second'],
    config: {
      created: '2026-01-10T09:00:00Z',
      config: { Env: ['A=1'], Cmd: ['sh'] },
      history: [
        { created: '2026-01-01T00:00:00Z', created_by: 'ADD rootfs.tar /', comment: 'base' },
        { created: '2026-01-10T09:00:00Z', created_by: 'ENV A=1', empty_layer: true },
        { created: '2026-01-10T09:00:00Z', created_by: `RUN ${'make '.repeat(20)}` },
      ],
    },
  });
  await putImage(store, { names: [], layers: ['nameless'], config: { created: '2025-12-01T00:00:00Z' } });
  const arm = await putImage(store, {
    names: ['docker.io/library/arm:1'],
    layers: ['arm'],
    config: { architecture: 'arm64' },
  });
  await putIndex(store, 'docker.io/library/multi:1', [
    { ...arm, platform: { os: 'linux', architecture: 's390x' } },
    { ...app, platform: { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' } },
  ]);
});
afterAll(() => fixture.remove());

const run = (args: readonly string[], options: FakeOptions = {}): Promise<CommandOutcome> =>
  runFake(args, { nowMs: NOW_MS, services: { openStore: async () => fixture.store }, ...options });

describe('zlayer images', () => {
  it('lists names, short ids, ages and sizes as docker does, the newest first', async () => {
    const { stdout } = await run(['images']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$/);
    expect(lines).toContainEqual(expect.stringMatching(/^me\/app +1\.0 +[0-9a-f]{12} +3 hours ago +17B$/));
    expect(lines).toContainEqual(expect.stringMatching(/^registry\.example\.com:5000\/app +1\.0 /));
    expect(lines).toContainEqual(expect.stringMatching(/^<none> +<none> +[0-9a-f]{12} +5 weeks ago +8B$/));
    expect(lines.at(-1)).toMatch(/^arm +1 +[0-9a-f]{12} +N\/A +3B$/);
  });

  it.each([
    [['me/app'], ['me/app:1.0']],
    [['me/app:1.0'], ['me/app:1.0']],
    [['me/app:2'], []],
    [['app'], []],
    [
      ['--filter', 'reference=*/app'],
      ['me/app:1.0', 'registry.example.com:5000/app:1.0'],
    ],
    [['-f', 'reference=me/*:1.*'], ['me/app:1.0']],
    [['--filter=dangling=true'], [null]],
  ])('shows what %j matches', async (args, expected) => {
    const { stdout } = await run(['images', '--format=json', ...args]);
    const shown = (JSON.parse(stdout) as { reference: string | null }[]).map(({ reference }) => reference);
    expect(shown.map((name) => name?.replace('docker.io/', '') ?? null).sort()).toEqual(expected);
  });

  it('prints whole ids, each once, with -q --no-trunc', async () => {
    const { stdout } = await run(['images', '-q', '--no-trunc', 'me/app']);
    expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  });

  it('shows digests on request, and the image of an index for this machine', async () => {
    expect((await run(['images', '--digests', 'me/app'])).stdout).toContain(app.digest);
    const [row] = JSON.parse((await run(['images', '--format=json', 'multi'])).stdout);
    expect(row).toMatchObject({ sizeBytes: 17, repository: 'multi' });
  });

  it('refuses a filter that it does not know', async () => {
    expect(await run(['images', '-f', 'label=x'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--filter cannot be "label=x".'),
    });
  });

  it('still lists an image of which a blob is missing', async () => {
    const broken = await createStoreFixture();
    try {
      const { digest } = await putImage(broken.store, { names: ['docker.io/library/broken:1'], layers: ['x'] });
      rmSync(broken.store.blobs.path(digest));
      const { status, stdout } = await runFake(['images'], { services: { openStore: async () => broken.store } });
      expect(status).toBe(0);
      expect(stdout).toMatch(/^broken +1 +<none> +N\/A +incomplete$/m);
    } finally {
      broken.remove();
    }
  });
});

describe('zlayer inspect', () => {
  it("prints docker's fields for a name, a short id and a digest alike", async () => {
    const byName = JSON.parse((await run(['inspect', 'me/app:1.0'])).stdout);
    expect(byName).toHaveLength(1);
    expect(byName[0]).toMatchObject({
      RepoTags: ['me/app:1.0', 'registry.example.com:5000/app:1.0'],
      RepoDigests: [`me/app@${app.digest}`, `registry.example.com:5000/app@${app.digest}`],
      Created: '2026-01-10T09:00:00Z',
      Architecture: 'amd64',
      Os: 'linux',
      Size: 17,
      Config: { Env: ['A=1'], Cmd: ['sh'] },
    });
    const id: string = byName[0].Id;
    for (const word of [id, id.slice(7, 19), app.digest, `me/app@${app.digest}`]) {
      expect(JSON.parse((await run(['inspect', word])).stdout)).toEqual(byName);
    }
  });

  it('prints manifest and config byte for byte', async () => {
    const blob = { digest: app.digest, sizeBytes: app.size };
    expect((await run(['inspect', '--raw', 'me/app:1.0'])).stdout).toBe(
      (await fixture.store.blobs.read(blob)).toString(),
    );
    expect(JSON.parse((await run(['inspect', '--config', 'me/app:1.0'])).stdout).config).toEqual({
      Env: ['A=1'],
      Cmd: ['sh'],
    });
  });

  it('names the nearest image when there is none', async () => {
    const { status, stdout, stderr } = await run(['inspect', 'me/ap:1.0']);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('There is no image "me/ap:1.0" in the store. [IMAGE_NOT_FOUND]');
    expect(stderr).toContain('Did you mean "me/app:1.0"?');
  });

  it('finds no other image of an index than the one that is wanted', async () => {
    const { stdout } = await run(['inspect', '--platform', 'linux/s390x', 'multi:1']);
    expect(JSON.parse(stdout)[0].Architecture).toBe('arm64');
    expect((await run(['inspect', '--platform', 'linux/riscv64', 'multi:1'])).stderr).toContain('[PLATFORM_NOT_FOUND]');
  });
});

describe('zlayer history', () => {
  it('shows entries from the newest, with the size of their layers', async () => {
    const lines = (await run(['history', 'me/app:1.0'])).stdout.trimEnd().split('\n');
    expect(lines).toEqual([
      expect.stringMatching(/^LAYER +CREATED +CREATED BY +SIZE +COMMENT$/),
      expect.stringMatching(/^[0-9a-f]{12} +3 hours ago +RUN make .*… +6B$/),
      expect.stringMatching(/^- +3 hours ago +ENV A=1 +0B$/),
      expect.stringMatching(/^[0-9a-f]{12} +9 days ago +ADD rootfs\.tar \/ +11B +base$/),
    ]);
  });

  it('cuts nothing with --no-trunc', async () => {
    const { stdout } = await run(['history', '--no-trunc', 'me/app:1.0']);
    expect(stdout).toContain(`RUN ${'make '.repeat(20).trim()}`);
  });

  it('lists layers that have no entry', async () => {
    const rows = JSON.parse((await run(['history', '--format=json', 'arm:1'])).stdout);
    expect(rows).toEqual([expect.objectContaining({ createdBy: '', sizeBytes: 3, emptyLayer: false })]);
  });
});

describe('zlayer tag and zlayer rmi', () => {
  it('names an image, and removes the name', async () => {
    expect(await run(['tag', 'me/app:1.0', 'copy'])).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect((await fixture.store.images.get('docker.io/library/copy:latest'))?.descriptor.digest).toBe(app.digest);
    expect(await run(['rmi', 'copy'])).toMatchObject({ status: 0, stdout: 'Untagged: copy:latest\n' });
    expect(await fixture.store.images.get('docker.io/library/copy:latest')).toBeUndefined();
  });

  it('refuses a name with a digest', async () => {
    expect((await run(['tag', 'me/app:1.0', `x@${app.digest}`])).status).toBe(2);
  });

  it('removes all names of an id only when forced', async () => {
    const { digest } = await putImage(fixture.store, {
      names: ['docker.io/library/t:1', 'docker.io/library/t:2'],
      layers: ['t'],
    });
    const refused = await run(['rmi', digest]);
    expect(refused).toMatchObject({ status: 2, stdout: '' });
    expect(refused.stderr).toContain('has 2 names: t:1, t:2');
    expect((await run(['rmi', '-f', digest])).stdout).toBe('Untagged: t:1\nUntagged: t:2\n');
  });

  it('goes on after an image that is not there, and fails unless forced', async () => {
    await run(['tag', 'me/app:1.0', 'copy']);
    const outcome = await run(['rmi', 'missing', 'copy']);
    expect(outcome).toMatchObject({ status: 1, stdout: 'Untagged: copy:latest\n' });
    expect(outcome.stderr).toContain('There is no image "missing"');
    expect(await run(['rmi', '--force', 'missing'])).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });
});

describe('zlayer save', () => {
  it('refuses a terminal, and removes a file that it could not finish', async () => {
    const { status, stderr } = await run(['save', 'me/app:1.0'], { terminal: { columns: 80, rows: 24 } });
    expect(status).toBe(2);
    expect(stderr).toContain('would go to a terminal');
  });

  it('writes what the archive is made of to standard output', async () => {
    const { raw } = await run(['save', 'me/app:1.0', app.digest], {
      services: {
        openStore: async () => fixture.store,
        save: async ({ images, format, write }) =>
          write(
            (async function* () {
              yield Buffer.from(`${format} `);
              yield Buffer.from(images.map(({ reference }) => reference ?? 'nameless').join(' '));
            })(),
          ),
      },
    });
    expect(raw.toString()).toBe(`docker ${APP} nameless`);
  });
});
