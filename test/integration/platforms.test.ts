import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type BuildEvent, type BuildRequest, build, type OutputInput, plan } from '../../src/index.ts';
import { type Index, parseIndex } from '../../src/oci/index.ts';
import { lacksPrograms } from '../support/host.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-platforms-'));
const dataDir = join(home, 'store');
const BOTH = 'linux/amd64,linux/arm64';
let contexts = 0;

afterAll(() => rmSync(home, { recursive: true, force: true }));

function requestFor(files: Readonly<Record<string, string>>, options: Partial<BuildRequest> = {}): BuildRequest {
  contexts += 1;
  const path = join(home, `context-${contexts}`);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return { context: { kind: 'directory', path }, dataDir, sourceDateEpoch: 1_700_000_000, ...options };
}

const COMMON = [
  'FROM --platform=$BUILDPLATFORM scratch AS tools',
  'COPY tool.txt /tool',
  'FROM scratch',
  'ARG TARGETPLATFORM TARGETARCH TARGETVARIANT BUILDPLATFORM',
  'COPY --from=tools /tool /tool',
  'COPY <<EOF /platform',
  '${TARGETPLATFORM} ${TARGETARCH} ${TARGETVARIANT} on ${BUILDPLATFORM}',
  'EOF',
  'LABEL arch=$TARGETARCH',
].join('\n');

function readIndex(digest: string): Index {
  return parseIndex(readFileSync(join(dataDir, 'blobs/sha256', digest.slice('sha256:'.length))));
}

describe('build() for several platforms', () => {
  it('makes one index of images whose arguments are right for each', async () => {
    const request = requestFor(
      { Dockerfile: COMMON, 'tool.txt': 't' },
      { platform: `${BOTH},linux/arm/v7`, tags: ['multi:1'] },
    );
    const result = await build(request);
    const { images = [] } = result;
    expect(images.map(({ platform }) => platform)).toEqual([
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64' },
      { os: 'linux', architecture: 'arm', variant: 'v7' },
    ]);
    expect(images.map(({ config }) => config.config?.Labels)).toEqual([
      { arch: 'amd64' },
      { arch: 'arm64' },
      { arch: 'arm' },
    ]);
    expect(result.mediaType).toBe('application/vnd.oci.image.index.v1+json');
    expect(readIndex(result.digest).manifests).toEqual(
      images.map(({ digest, mediaType, manifestSizeBytes, platform }) => ({
        digest,
        mediaType,
        size: manifestSizeBytes,
        platform,
      })),
    );
    expect(result.references).toEqual(['docker.io/library/multi:1']);
  });

  it('runs what does not depend on the platform once, and tells the platform of each step', async () => {
    const events: BuildEvent[] = [];
    const request = requestFor({ Dockerfile: COMMON, 'tool.txt': 'once' }, { platform: BOTH });
    const { steps } = await build(request, { onEvent: (event) => events.push(event) });
    const names = steps.map(({ name }) => name).filter((name) => /COPY/.test(name));
    expect(names.filter((name) => name.includes('COPY tool.txt'))).toEqual([
      '[linux/amd64 tools 2/2] COPY tool.txt /tool',
    ]);
    expect(names.filter((name) => name.includes('/platform'))).toHaveLength(2);
    expect(names.some((name) => name.startsWith('[linux/arm64 stage-1 3/3] COPY <<EOF'))).toBe(true);
    const planned = events.find((event) => event.kind === 'build-planned');
    expect(planned?.vertices.map(({ id }) => id)).toHaveLength(new Set(planned?.vertices.map(({ id }) => id)).size);
  });

  it('makes each image byte for byte as a build for its platform alone does', async () => {
    const request = requestFor({ Dockerfile: COMMON, 'tool.txt': 'same' });
    const { images = [] } = await build({ ...request, platform: BOTH });
    for (const { digest, platform } of images) {
      const alone = await build({ ...request, platform: `${platform.os}/${platform.architecture}`, noCache: true });
      expect(alone.digest).toBe(digest);
      expect(alone.images).toBeUndefined();
    }
  });

  it('names a platform that is given twice once, and one platform makes no index', async () => {
    const request = requestFor({ Dockerfile: COMMON, 'tool.txt': 'x' }, { platform: 'linux/arm64,linux/aarch64' });
    expect((await build(request)).mediaType).toBe('application/vnd.oci.image.manifest.v1+json');
  });

  it('tells of what is wrong with the Dockerfile once', async () => {
    const codes: string[] = [];
    const request = requestFor(
      { Dockerfile: 'FROM scratch\nMAINTAINER me\nCOPY Dockerfile /\n' },
      { platform: BOTH, buildArgs: { X: '1' } },
    );
    const { warnings } = await build(request);
    codes.push(...warnings.map(({ code }) => code));
    expect(codes.toSorted()).toEqual(['BUILD_ARG_UNUSED', 'MaintainerDeprecated']);
  });

  it('plans for all platforms', async () => {
    const request = requestFor({ Dockerfile: COMMON, 'tool.txt': 'planned' }, { platform: BOTH });
    const planned = await plan(request);
    expect(planned.platforms?.map(({ architecture }) => architecture)).toEqual(['amd64', 'arm64']);
    expect(
      planned.steps.filter(({ verdict }) => verdict.kind === 'run' && /tool.txt/.test(verdict.reason) === false).length,
    ).toBeGreaterThan(0);
  });
});

describe('build() in Docker format', () => {
  it("gives manifest, config and layers Docker's types, and a list of several platforms as well", async () => {
    const request = requestFor({ Dockerfile: COMMON, 'tool.txt': 'd' }, { format: 'docker' });
    const single = await build(request);
    expect(single.mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
    expect(new Set(single.layers.map(({ mediaType }) => mediaType))).toEqual(
      new Set(['application/vnd.docker.image.rootfs.diff.tar']),
    );
    const several = await build({ ...request, platform: BOTH });
    expect(several.mediaType).toBe('application/vnd.docker.distribution.manifest.list.v2+json');
  });

  it.each([
    [{ annotations: { a: 'b' } }, /annotations/],
    [{ outputs: [{ kind: 'oci', destination: 'x', tar: true, compression: 'zstd' }] }, /zstd/],
  ] satisfies [Partial<BuildRequest>, RegExp][])('refuses %j, which it has no place for', async (options, message) => {
    const request = requestFor({ Dockerfile: COMMON, 'tool.txt': 'd' }, { format: 'docker', ...options });
    await expect(build(request)).rejects.toMatchObject({ message: expect.stringMatching(message) });
  });
});

describe('outputs of several platforms', () => {
  const FILES = { Dockerfile: COMMON, 'tool.txt': 'o' };
  const outputs = async (...kinds: readonly OutputInput[]): Promise<void> => {
    await build(requestFor(FILES, { platform: `${BOTH},linux/arm/v7`, tags: ['out:1'], outputs: kinds }));
  };

  it('are folders named for the platforms in a local directory and in a tar', async () => {
    const [local, tar] = [join(home, 'local'), join(home, 'all.tar')];
    await outputs({ kind: 'local', destination: local }, { kind: 'tar', destination: tar });
    expect(readdirSync(local).toSorted()).toEqual(['linux_amd64', 'linux_arm64', 'linux_arm_v7']);
    expect(readFileSync(join(local, 'linux_arm_v7/platform'), 'utf8')).toMatch(/^linux\/arm\/v7 arm v7 on linux\//);
    const listing = execFileSync('tar', ['-tf', tar], { encoding: 'utf8' }).trim().split('\n');
    expect(listing.filter((name) => name.endsWith('/platform'))).toEqual([
      'linux_amd64/platform',
      'linux_arm64/platform',
      'linux_arm_v7/platform',
    ]);
  });

  it('are one index in an OCI layout, which skopeo reads for each platform', async ({ skip }) => {
    if (lacksPrograms('platforms', ['skopeo'])) skip();
    const layout = join(home, 'layout');
    await outputs({ kind: 'oci', destination: layout, tar: false });
    for (const [arch, variant] of [
      ['amd64', ''],
      ['arm64', ''],
      ['arm', 'v7'],
    ] as const) {
      const override = ['--override-arch', arch, ...(variant === '' ? [] : ['--override-variant', variant])];
      const text = execFileSync('skopeo', [...override, 'inspect', '--config', `oci:${layout}`], { encoding: 'utf8' });
      expect(JSON.parse(text)).toMatchObject({ architecture: arch, config: { Labels: { arch } } });
    }
  });

  it('cannot be a docker archive, which is told before anything runs', async () => {
    const events: BuildEvent[] = [];
    const request = requestFor(FILES, {
      platform: BOTH,
      outputs: [{ kind: 'docker', destination: join(home, 'no.tar') }],
    });
    await expect(build(request, { onEvent: (event) => events.push(event) })).rejects.toMatchObject({ code: 'USAGE' });
    expect(events.some(({ kind }) => kind === 'vertex-started')).toBe(false);
  });
});
