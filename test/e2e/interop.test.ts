import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBase } from '../support/base-images.ts';
import { BUILDAH_PROGRAMS, type Buildah, createBuildah } from '../support/buildah.ts';
import { writableCache } from '../support/fixture-cache.ts';
import { flattenLayers } from '../support/flatten.ts';
import { lacksPrograms } from '../support/host.ts';
import { readLayout } from '../support/oci-layout.ts';
import { runOk } from '../support/process.ts';
import { openRegistry, type Registry } from '../support/registry.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { unpackWithUmoci } from '../support/umoci.ts';
import { createZlayer, type Zlayer } from '../support/zlayer.ts';

const skip = lacksPrograms('exchange with other tools', [...BUILDAH_PROGRAMS, 'umoci', 'docker-registry', 'zstd']);
const LISTINGS = join(writableCache(), 'listings');
const PLAIN_HTTP = '--dest-tls-verify=false';

describe.skipIf(skip)('images that go to other tools and come from them', () => {
  const root = makeTempDir('interop');
  const context = join(root, 'context');
  let zlayer: Zlayer;
  let buildah: Buildah;
  let registry: Registry;

  beforeAll(async () => {
    zlayer = createZlayer(join(root, 'store'));
    buildah = createBuildah(join(root, 'buildah'));
    registry = await openRegistry(root);
    const base = await ensureBase('busybox');
    await zlayer.loadBase(base);
    await buildah.loadBase(base);
    mkdirSync(context);
    writeFileSync(join(context, 'note'), 'note\n');
    writeDockerfile('Dockerfile', [
      'FROM localhost/busybox:latest',
      'RUN mkdir /d && echo run > /d/run && ln /d/run /d/hard && rm /etc/group',
      'COPY note /d/',
      'ENV MODE=interop',
      'CMD ["cat", "/d/run", "/d/note"]',
    ]);
    await zlayer.run(['build', '-t', 'localhost/ours:1', context]);
  }, 180_000);
  afterAll(async () => {
    await registry?.close();
    await removeTempDir(root);
  }, 120_000);

  it('lets skopeo read our store in place', async () => {
    const { stdout } = await zlayer.run(['inspect', '--format', 'json', 'localhost/ours:1']);
    const index = await runOk(['cat', join(zlayer.dataDir, 'index.json')]);
    const names = (JSON.parse(index.stdout) as { manifests: Array<{ annotations?: Record<string, string> }> })
      .manifests;
    const name = names
      .map((each) => each.annotations?.['org.opencontainers.image.ref.name'] ?? '')
      .find((each) => each.includes('ours'));
    const inspected = await buildah.skopeo(['inspect', `oci:${zlayer.dataDir}:${name}`]);
    const { Digest } = JSON.parse(inspected.stdout) as { Digest: string };
    expect(stdout).toContain(Digest);
  });

  it('pushes an image that buildah pulls and runs, and pushes it again without sending a blob', async () => {
    await push('localhost/ours:1', 'ours:1');
    await buildah.run(['pull', '--quiet', '--tls-verify=false', `docker://${registry.host}/ours:1`]);
    expect(await buildah.runIn(`${registry.host}/ours:1`, ['cat', '/d/run', '/d/note'])).toBe('run\nnote\n');
    const again = await zlayer.run(['push', `${registry.host}/ours:1`]);
    expect(`${again.stdout}${again.stderr}`).toMatch(/sha256:[0-9a-f]{64}/);
  });

  it('pushes the manifest that it names, byte for byte', async () => {
    await push('localhost/ours:1', 'ours:2');
    const raw = await buildah.skopeo(['inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/ours:2`]);
    const digests = (await zlayer.run(['inspect', '--format', 'json', `${registry.host}/ours:2`])).stdout;
    expect(JSON.parse(raw.stdout)).toMatchObject({ schemaVersion: 2 });
    expect(digests).not.toBe('');
  });

  itPulls('OCI, gzip', ['--format', 'oci'], 'gzip');
  itPulls('Docker schema 2', ['--format', 'v2s2'], 'gzip');

  it('pulls what buildah pushed in docker format, and builds on it', async () => {
    writeDockerfile('by-buildah', ['FROM localhost/busybox:latest', 'RUN echo theirs > /theirs && rm -r /home']);
    await buildah.build(['-t', 'localhost/theirs', '-f', join(context, 'by-buildah'), context]);
    await buildah.run([
      'push',
      '--quiet',
      '--tls-verify=false',
      'localhost/theirs',
      `docker://${registry.host}/theirs:1`,
    ]);
    expect(await expectBuildable('theirs')).toContain('theirs');
  });

  for (const [format, name] of [
    ['v2s2', 'list-docker'],
    ['oci', 'list-oci'],
  ] as const) {
    it(`pulls the entry for this platform out of a list (${format})`, async () => {
      writeDockerfile('listed', ['FROM localhost/busybox:latest', 'RUN echo listed > /listed']);
      await buildah.build(['-t', 'localhost/listed', '-f', join(context, 'listed'), context]);
      await buildah.run(['manifest', 'create', name]);
      const foreign = ['--arch', 's390x', '--os', 'linux'];
      await buildah.run(['manifest', 'add', ...foreign, name, 'containers-storage:localhost/busybox:latest']);
      await buildah.run(['manifest', 'add', name, 'containers-storage:localhost/listed:latest']);
      const target = `docker://${registry.host}/${name}:1`;
      await buildah.run([
        'manifest',
        'push',
        '--quiet',
        '--all',
        '--tls-verify=false',
        '--format',
        format,
        name,
        target,
      ]);
      expect(await expectBuildable(name)).toContain('listed');
    });
  }

  // After all that has Docker's types: skopeo and buildah would take zstd layers that they know of for those too.
  itPulls('OCI, zstd', ['--preserve-digests'], 'zstd');

  it('writes an OCI archive and a docker archive that skopeo takes, with the same files', async () => {
    const expected = await flattenImage('localhost/ours:1');
    for (const type of ['oci', 'docker']) {
      const archive = join(root, `${type}.tar`);
      await zlayer.run(['build', '-t', 'localhost/ours:1', '-o', `type=${type},dest=${archive}`, context]);
      const layout = join(root, `from-${type}`);
      await buildah.skopeo(['copy', '--quiet', `${type}-archive:${archive}`, `oci:${layout}:x`]);
      expect([...(await flattenLayers(readLayout(layout).layers, LISTINGS))]).toEqual(expected);
    }
  });

  it('saves an archive that another store of ours loads unchanged', async () => {
    const archive = join(root, 'saved.tar');
    await zlayer.run(['save', '-o', archive, 'localhost/ours:1']);
    const other = createZlayer(join(root, 'other'));
    await other.run(['load', '-i', archive]);
    const [mine, theirs] = await Promise.all(
      [zlayer, other].map((each) => each.run(['inspect', '--format', 'json', 'localhost/ours:1'])),
    );
    expect(configDigest(theirs?.stdout)).toBe(configDigest(mine?.stdout));
  });

  it('compresses the layers of a base anew by force, and leaves them alone without', async () => {
    writeDockerfile('forced', ['FROM zstd', 'COPY note /']);
    const base = ['--build-context', `zstd=oci-layout://${await writeZstdBase()}:base`];
    const forced = ['-o', `type=oci,dest=${join(root, 'forced')},tar=false,force-compression=true`];
    const kept = ['-o', `type=oci,dest=${join(root, 'kept')},tar=false`];
    await zlayer.run([
      'build',
      '-f',
      join(context, 'forced'),
      '-t',
      'localhost/forced',
      ...base,
      ...forced,
      ...kept,
      context,
    ]);
    const [anew, asTheyCame] = [readLayout(join(root, 'forced')), readLayout(join(root, 'kept'))];
    const kindsOf = ({ layers }: typeof anew) => layers.map(({ mediaType }) => mediaType.replace(/.*\+/, ''));
    expect(kindsOf(asTheyCame)).toEqual([...Array(asTheyCame.layers.length - 1).fill('zstd'), 'gzip']);
    expect(new Set(kindsOf(anew))).toEqual(new Set(['gzip']));
    expect(anew.config).toEqual(asTheyCame.config);
    const [ours, theirs] = await Promise.all([anew, asTheyCame].map(({ layers }) => flattenLayers(layers, LISTINGS)));
    expect([...ours!]).toEqual([...theirs!]);
  });

  it("hands an image to podman's storage under all its names, and leaves no other", async () => {
    const bin = join(root, 'bin');
    mkdirSync(bin);
    // buildah has the same storage, and the same code that pulls into it.
    const storage = buildah.argv.map((word) => `'${word}'`).join(' ');
    const script = `case "$1 $2" in
"info --format") echo false;;
"pull --quiet") exec ${storage} pull --quiet "$3";;
tag*) shift; exec ${storage} tag "$@";;
"image inspect") ${storage} images --json "$5" | tr -d '\\n ' | sed 's/.*"names":\\(\\[[^]]*\\]\\).*/\\1/';;
untag*) exec ${storage} rmi "$3";;
*) exit 9;; esac`;
    writeFileSync(join(bin, 'podman'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const env = { ...buildah.env, PATH: `${bin}:${process.env['PATH']}` };
    writeDockerfile('handed', ['FROM localhost/busybox:latest', 'COPY note /handed']);
    const names = ['-t', 'localhost/handed:1', '-t', 'localhost/handed:2'];
    await zlayer.run(['build', '-f', join(context, 'handed'), ...names, '--load=podman', context], { env });
    expect(await buildah.runIn('localhost/handed:2', ['cat', '/handed'])).toBe('note\n');
    const { stdout } = await buildah.run(['images', '--format', '{{.Name}}:{{.Tag}}']);
    expect(
      stdout
        .split('\n')
        .filter((name) => /handed|load-|image/.test(name))
        .sort(),
    ).toEqual(['localhost/handed:1', 'localhost/handed:2']);
  });

  it('unpacks with umoci to what the local output writes', async () => {
    const [layout, local] = [join(root, 'layout'), join(root, 'local')];
    const outputs = ['-o', `type=oci,dest=${layout},tar=false`, '-o', `type=local,dest=${local}`];
    await zlayer.run(['build', '-t', 'localhost/ours:1', ...outputs, context]);
    const unpacked = await unpackWithUmoci(layout, join(root, 'unpacked'));
    const { stdout } = await runOk(['find', '.', '-mindepth', '1', '-printf', '%P\\n'], {
      cwd: local,
      env: { LC_ALL: 'C' },
    });
    expect(stdout.trimEnd().split('\n').sort()).toEqual(unpacked);
  });

  /** What skopeo pushed with some flags, which must be what its title says. */
  function itPulls(kind: string, flags: readonly string[], compression: 'gzip' | 'zstd'): void {
    it(`pulls what skopeo pushed as ${kind}, and builds on it`, async () => {
      const name = `from-skopeo-${kind.toLowerCase().replace(/\W+/g, '-')}`;
      const image = `docker://${registry.host}/${name}:1`;
      // A registry that has the layer in gzip gets it in gzip again, unless the digests are to stay.
      const source =
        compression === 'zstd' ? `oci:${await writeZstdBase()}:base` : 'containers-storage:localhost/busybox:latest';
      await buildah.skopeo(['copy', '--quiet', PLAIN_HTTP, ...flags, source, image]);
      const { stdout } = await buildah.skopeo(['inspect', '--raw', '--tls-verify=false', image]);
      const { layers } = JSON.parse(stdout) as { readonly layers: ReadonlyArray<{ readonly mediaType: string }> };
      expect(layers.map(({ mediaType }) => mediaType)).toEqual([expect.stringMatching(new RegExp(`${compression}$`))]);
      await expectBuildable(name);
    });
  }

  /** The base in zstd, as an OCI layout. */
  async function writeZstdBase(): Promise<string> {
    const layout = join(root, 'zstd');
    const zstd = ['--format', 'oci', '--dest-compress', '--dest-compress-format', 'zstd'];
    const from = 'containers-storage:localhost/busybox:latest';
    if (!existsSync(layout)) await buildah.skopeo(['copy', '--quiet', ...zstd, from, `oci:${layout}:base`]);
    return layout;
  }

  function writeDockerfile(name: string, lines: readonly string[]): void {
    writeFileSync(join(context, name), `${lines.join('\n')}\n`);
  }

  async function push(image: string, name: string): Promise<void> {
    await zlayer.run(['tag', image, `${registry.host}/${name}`]);
    await zlayer.run(['push', `${registry.host}/${name}`]);
  }

  /** Builds on `name:1` in a fresh store, so that it must be pulled, and gives the names at the root of the result. */
  async function expectBuildable(name: string): Promise<readonly string[]> {
    const fresh = createZlayer(join(root, `store-${name}`));
    writeDockerfile(`on-${name}`, [`FROM ${registry.host}/${name}:1`, 'RUN echo on-top > /on-top && test -x /bin/sh']);
    const layout = join(root, `built-${name}`);
    const output = `type=oci,dest=${layout},tar=false`;
    await fresh.run(['build', '-f', join(context, `on-${name}`), '-t', 'localhost/x', '-o', output, context]);
    const tree = await flattenLayers(readLayout(layout).layers, LISTINGS);
    expect(tree.get('on-top')?.size).toBe(7);
    expect(tree.has('bin/busybox')).toBe(true);
    return [...tree.keys()].filter((path) => !path.includes('/'));
  }

  async function flattenImage(name: string): Promise<unknown> {
    const layout = join(root, 'flattened');
    await zlayer.run(['build', '-t', name, '-o', `type=oci,dest=${layout},tar=false`, context]);
    return [...(await flattenLayers(readLayout(layout).layers, LISTINGS))];
  }
});

function configDigest(inspected: string | undefined): string | undefined {
  return /"diff_?[iI]ds":\s*\[[^\]]*\]/.exec(inspected ?? '')?.[0];
}
