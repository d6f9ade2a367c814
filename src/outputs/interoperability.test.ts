import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../core/index.ts';
import { type Descriptor, readImage } from '../oci/index.ts';
import { openStore, type Store } from '../store/index.ts';
import { loadArchive, writeDockerOutput, writeOciOutput } from './index.ts';
import { encodeRootfs } from './tar/write-output.ts';
import { collect, TEST_CONTEXT as context, putTestImage } from './test-image.ts';

const NAME = 'docker.io/library/app:latest';
const IS_USER = process.getuid?.() !== 0;

let base: string;
let store: Store;
let image: Descriptor;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'interop-'));
  store = await openStore({ root: join(base, 'store') });
  image = await putTestImage(store);
  await store.images.set([NAME], image);
  const images = [{ descriptor: image, references: [NAME] }];
  await writeOciOutput(
    { store },
    { images, destination: join(base, 'oci.tar'), tar: true, compression: 'gzip' },
    context,
  );
  await writeOciOutput(
    { store },
    { images, destination: join(base, 'layout'), tar: false, compression: 'gzip' },
    context,
  );
  await writeDockerOutput({ store }, { images, destination: join(base, 'docker.tar'), compression: 'none' }, context);
});
afterAll(() => {
  run('chmod', ['-R', 'u+rwX', base]);
  rmSync(base, { recursive: true, force: true });
});

function run(program: string, args: readonly string[]): { readonly status: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { status, text: `${stdout ?? ''}${stderr ?? ''}` };
}

/** Runs a tool and gives what it printed; its failure is the test's. */
function succeed(program: string, ...args: readonly string[]): string {
  const { status, text } = run(program, args);
  expect(status, `${program} ${args.join(' ')}\n${text}`).toBe(0);
  return text;
}

/** A test that needs a program: skipped aloud where it is missing, failed on CI. */
function itWith(program: string, title: string, body: () => Promise<void> | void): void {
  const found = spawnSync(program, ['--version']).status === 0;
  if (!found && process.env.CI !== 'true') console.warn(`SKIPPED: ${program} is not installed: ${title}`);
  it.skipIf(!found && process.env.CI !== 'true')(`${title} (${program})`, body);
}

/** As an ordinary user skopeo 1.9 cannot unpack an archive of another owner, not even of 0:0; in a user namespace it can. */
const skopeo = (...args: readonly string[]): string =>
  IS_USER && args.some((arg) => arg.startsWith('oci-archive:'))
    ? succeed('unshare', '--map-root-user', 'skopeo', '--insecure-policy', ...args)
    : succeed('skopeo', '--insecure-policy', ...args);
const configDigest = async (): Promise<string> => (await readImage(store.blobs, image)).manifest.config.digest;
const treeDigest = async (from: Store, descriptor: Descriptor): Promise<string> =>
  digestOf(await collect(encodeRootfs({ store: from }, { descriptor }, context)));

describe('the store', () => {
  itWith('skopeo', 'is read in place by the full reference', async () => {
    const found = JSON.parse(skopeo('inspect', `oci:${store.root}:${NAME}`));
    expect(found).toMatchObject({ Digest: image.digest, Architecture: 'amd64', Env: ['PATH=/bin'] });
    skopeo('copy', `oci:${store.root}:${NAME}`, `dir:${join(base, 'from-store')}`);
    expect(digestOf(readFileSync(join(base, 'from-store/manifest.json')))).toBe(image.digest);
  });
});

describe('writeOciOutput()', () => {
  itWith('skopeo', 'writes an oci-archive that is read and converted', async () => {
    const raw = skopeo('inspect', '--raw', '--config', `oci-archive:${join(base, 'oci.tar')}:${NAME}`);
    expect(digestOf(raw)).toBe(await configDigest());
    skopeo(
      'copy',
      `oci-archive:${join(base, 'oci.tar')}:${NAME}`,
      `docker-archive:${join(base, 'converted.tar')}:app:x`,
    );
  });
  itWith('umoci', 'writes a layout that is unpacked to the same tree', () => {
    const bundle = join(base, 'bundle');
    const stat = succeed('umoci', 'stat', '--image', `${join(base, 'layout')}:${NAME}`);
    expect(stat).toContain('test');
    succeed(
      'umoci',
      'unpack',
      ...(IS_USER ? ['--rootless'] : []),
      '--image',
      `${join(base, 'layout')}:${NAME}`,
      bundle,
    );
    expect(existsSync(join(bundle, 'rootfs/etc/gone'))).toBe(false);
    expect(statSync(join(bundle, 'rootfs/etc/same')).ino).toBe(statSync(join(bundle, 'rootfs/etc/big')).ino);
    expect(statSync(join(bundle, 'rootfs/bin/tool')).mode & 0o7777).toBe(0o4755);
    expect(
      readFileSync(Buffer.concat([Buffer.from(`${bundle}/rootfs/srv/`), Buffer.from([0xe9, 0xff])]), 'utf8'),
    ).toContain('UTF-8');
    if (!IS_USER) expect(lstatSync(join(bundle, 'rootfs/dev/null')).isCharacterDevice()).toBe(true);
  });
});

describe('writeDockerOutput()', () => {
  itWith('skopeo', 'writes a docker-archive that is read by its short name', async () => {
    const raw = skopeo('inspect', '--raw', '--config', `docker-archive:${join(base, 'docker.tar')}:app:latest`);
    expect(digestOf(raw)).toBe(await configDigest());
  });
  itWith('skopeo', 'writes an OCI layout in the same archive', () => {
    const found = JSON.parse(skopeo('inspect', `oci-archive:${join(base, 'docker.tar')}:${NAME}`));
    expect(found.Digest).toBe(image.digest);
  });
});

describe('buildah pull', () => {
  const pull = async (transport: string): Promise<void> => {
    const storage = ['--root', join(base, 'c/root'), '--runroot', join(base, 'c/run'), '--storage-driver', 'vfs'];
    const id = succeed('buildah', ...storage, 'pull', '-q', transport)
      .trim()
      .split('\n')
      .at(-1);
    expect(`sha256:${id}`).toBe(await configDigest());
    expect(succeed('buildah', ...storage, 'images', '--format', '{{.Name}}:{{.Tag}}', id ?? '')).toContain(
      'docker.io/library/app:latest',
    );
  };
  const title = (kind: string): string => `takes our ${kind} archive under its name`;
  if (IS_USER) {
    it.skip('SKIPPED: a storage of its own needs root');
    console.warn('SKIPPED: buildah pull into a storage of its own needs root');
  } else {
    itWith('buildah', title('OCI'), () => pull(`oci-archive:${join(base, 'oci.tar')}`));
    itWith('buildah', title('docker'), () => pull(`docker-archive:${join(base, 'docker.tar')}`));
  }
});

describe('loadArchive()', () => {
  const load = async (
    path: string,
  ): Promise<{ references: readonly string[]; store: Store; descriptor: Descriptor }> => {
    const target = await openStore({ root: mkdtempSync(join(base, 'loaded-')) });
    const [loaded] = await loadArchive({ store: target }, path, context);
    if (loaded === undefined) throw new Error('nothing was loaded');
    return { references: loaded.references, descriptor: loaded.descriptor, store: target };
  };
  const copyAndLoad = async (transport: string, path: string): Promise<Awaited<ReturnType<typeof load>>> => {
    skopeo('copy', `oci:${store.root}:${NAME}`, transport);
    return load(path);
  };
  const archives: ReadonlyArray<readonly [kind: string, transport: (path: string) => string]> = [
    ['docker-archive', (path) => `docker-archive:${path}:example.com/a/b:1`],
    ['oci-archive', (path) => `oci-archive:${path}:example.com/a/b:1`],
    ['oci', (path) => `oci:${path}:example.com/a/b:1`],
  ];
  for (const [kind, transport] of archives) {
    itWith('skopeo', `reads what skopeo writes as ${kind}`, async () => {
      const path = join(base, `skopeo-${kind}`);
      const loaded = await copyAndLoad(transport(path), path);
      expect(loaded.references).toEqual(['example.com/a/b:1']);
      expect(await treeDigest(loaded.store, loaded.descriptor)).toBe(await treeDigest(store, image));
      expect((await readImage(loaded.store.blobs, loaded.descriptor)).config.config).toEqual({
        Cmd: ['/bin/tool'],
        Env: ['PATH=/bin'],
      });
    });
  }
});
