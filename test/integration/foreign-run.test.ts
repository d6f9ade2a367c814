import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BaseName, ensureBase } from '../support/base-images.ts';
import { lacksEmulators, withoutEmulators } from '../support/emulators.ts';
import { lacksPrograms } from '../support/host.ts';
import { runOk, runProgram } from '../support/process.ts';
import { openRegistry, type Registry } from '../support/registry.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { createZlayer, type Zlayer } from '../support/zlayer.ts';

/** A platform of the image, the base for it, and what `uname -m` says there. */
interface Half {
  readonly platform: string;
  readonly base: BaseName;
  readonly machine: string;
}

const OWN: Half =
  process.arch === 'arm64'
    ? { platform: 'linux/arm64', base: 'busybox', machine: 'aarch64' }
    : { platform: 'linux/amd64', base: 'busybox', machine: 'x86_64' };
const OTHER: Half =
  process.arch === 'arm64'
    ? { platform: 'linux/amd64', base: 'busybox-amd64', machine: 'x86_64' }
    : { platform: 'linux/arm64', base: 'busybox-arm64', machine: 'aarch64' };
const ARM: Half = { platform: 'linux/arm/v7', base: 'busybox-arm', machine: 'armv7l' };
const HALVES = [OWN, OTHER, ARM];

const DOCKERFILE = (base: string): string => `
FROM --platform=$BUILDPLATFORM ${base} AS tools
ARG BUILDPLATFORM
RUN echo "$(uname -m) $(cat /proc/sys/kernel/random/uuid)" > /tool
FROM --platform=$BUILDPLATFORM ${base} AS compiler
ARG TARGETARCH
RUN echo "$(uname -m) makes $TARGETARCH" > /made

FROM ${base}
ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDARCH
COPY --from=tools /tool /
COPY --from=compiler /made /
RUN uname -m > /machine && echo "$TARGETPLATFORM $TARGETOS $TARGETARCH [$TARGETVARIANT] on $BUILDPLATFORM" > /arguments
USER 1000:1000
RUN id -u > /tmp/user && printf '#!/bin/sh\\nuname -m\\n' > /tmp/script && chmod 755 /tmp/script && /tmp/script >> /tmp/user
`;

const skip =
  lacksPrograms('RUN for other architectures', ['docker-registry', 'skopeo', 'unshare', 'apt-get', 'dpkg-deb']) ||
  lacksEmulators('RUN for other architectures', [OTHER.machine, 'arm']);

describe.skipIf(skip)('an image for three architectures', () => {
  const root = makeTempDir('foreign');
  let registry: Registry;
  let built: Zlayer;
  let name: string;
  let base: string;
  let platforms: string;
  beforeAll(async () => {
    registry = await openRegistry(root);
    built = createZlayer(join(root, 'store'));
    [name, base] = [`${registry.host}/app:1`, `${registry.host}/base:1`];
    const images = await Promise.all(HALVES.map((half) => ensureBase(half.base)));
    for (const image of images) await built.loadBase(image);
    await built.run(['manifest', 'create', base, ...images.map(({ reference }) => reference)]);
    await built.run(['manifest', 'push', base]);
    mkdirSync(join(root, 'context'));
    writeFileSync(join(root, 'context/Dockerfile'), DOCKERFILE(base));
    // As people write them: the names of uname and of Debian are platforms, too.
    platforms = [`linux/${OWN.machine}`, `linux/${OTHER.machine}`, 'linux/armhf'].join();
    await built.run(['build', '--pull', '--platform', platforms, '--push', '-t', name, join(root, 'context')]);
  }, 300_000);
  afterAll(async () => {
    await registry.close();
    await removeTempDir(root);
  });

  it('is an index in the registry, with a platform for each image', async () => {
    const { stdout } = await runOk(['skopeo', 'inspect', '--tls-verify=false', '--raw', `docker://${name}`]);
    const index = JSON.parse(stdout) as { manifests: { platform: object }[] };
    expect(index.manifests.map(({ platform }) => platform)).toEqual(
      HALVES.map(({ platform }) => {
        const [os, architecture, variant] = platform.split('/');
        return { os, architecture, ...(variant === undefined ? {} : { variant }) };
      }),
    );
  });

  it('holds what the steps of each architecture made, and of a stage for this machine one result, or one for each TARGETARCH', async () => {
    const tools = new Set<string>();
    for (const { platform, machine } of HALVES) {
      const rootfs = await unpack(platform);
      const read = (path: string): string => readFileSync(join(rootfs, path), 'utf8');
      const [os, architecture, variant = ''] = platform.split('/');
      expect(read('machine')).toBe(`${machine}\n`);
      expect(read('arguments')).toBe(`${platform} ${os} ${architecture} [${variant}] on ${OWN.platform}\n`);
      expect(read('made')).toBe(`${OWN.machine} makes ${architecture}\n`);
      expect(read('tmp/user')).toBe(`1000\n${machine}\n`);
      expect(await runIn(rootfs, ['/bin/uname', '-m'])).toBe(`${machine}\n`);
      expect(await runIn(rootfs, ['/tmp/script'])).toBe(`${machine}\n`);
      tools.add(read('tool'));
    }
    expect([...tools]).toEqual([expect.stringMatching(new RegExp(`^${OWN.machine} [0-9a-f-]{36}\\n$`))]);
  });

  it('is built from the cache where no emulator is registered, and refused before any step without it', async ({
    skip,
  }) => {
    const build = [...built.argv, 'build', '--progress', 'plain', '--platform', platforms, join(root, 'context')];
    const command = await withoutEmulators(build);
    if (command === undefined) return skip();
    expect((await runOk(command, { env: built.env })).stderr).toMatch(/CACHED/);
    const { exitCode, stderr } = await runProgram([...command, '--no-cache'], { env: built.env });
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining(`RUN for ${OTHER.platform} cannot be executed`)]);
  });

  /** The files of one image, by a store that has seen nothing of it before. */
  async function unpack(platform: string): Promise<string> {
    const folder = join(root, `pulled-${platform.replaceAll('/', '-')}`);
    const pulled = createZlayer(join(folder, 'store'));
    mkdirSync(folder);
    writeFileSync(join(folder, 'Dockerfile'), `FROM ${name}\n`);
    const rootfs = join(folder, 'rootfs');
    await pulled.run(['build', '--platform', platform, '-o', rootfs, folder]);
    return rootfs;
  }

  async function runIn(rootfs: string, command: readonly string[]): Promise<string> {
    return (await runOk(['unshare', '--user', '--map-root-user', `--root=${rootfs}`, ...command])).stdout;
  }
});
