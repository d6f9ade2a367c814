import { describe, expect, it } from 'vitest';
import { parseDockerfile } from '../../dockerfile/index.ts';
import type { BuildRequest, LoadedRequest } from '../types.ts';
import { type Capabilities, FEATURES, type Feature } from './features.ts';
import { needsOf } from './needs.ts';
import { refuseUnsupported } from './refuse-unsupported.ts';

interface Example {
  readonly request?: Partial<BuildRequest>;
  /** Below `FROM scratch`; the use is in the last line. */
  readonly lines?: string;
  readonly purpose?: 'plan';
  /** What is asked for as well. */
  readonly also?: readonly Feature[];
}

const FOREIGN = process.arch === 'arm64' ? 'linux/amd64' : 'linux/arm64';

/** Every feature with a request that asks for it: a feature that nothing detects does not type-check. */
const EXAMPLES: Readonly<Record<Feature, Example>> = {
  'mount-bind': { lines: 'RUN --mount=type=bind,target=/src true' },
  'mount-cache': { lines: 'RUN --mount=type=cache,target=/c true' },
  'mount-cache-sharing': { lines: 'RUN --mount=type=cache,target=/c,sharing=locked true', also: ['mount-cache'] },
  'mount-tmpfs': { lines: 'RUN --mount=type=tmpfs,target=/t true' },
  'mount-secret': { lines: 'RUN --mount=type=secret,id=s true' },
  'mount-secret-env': { lines: 'RUN --mount=type=secret,id=s,env=S true', also: ['mount-secret'] },
  'mount-ssh': { lines: 'RUN --mount=type=ssh true' },
  'step-network': { lines: 'RUN --network=none true' },
  'step-insecure': { lines: 'RUN --security=insecure true' },
  'step-device': { lines: 'RUN --device=vendor.com/class=one true' },
  'copy-link': { lines: 'COPY --link a /a' },
  'copy-parents': { lines: 'COPY --parents a/b /' },
  'copy-exclude': { lines: 'COPY --exclude=*.md . /' },
  'copy-heredoc': { lines: 'COPY <<E /e\nhi\nE' },
  'chmod-symbolic': { lines: 'COPY --chmod=u+x a /a' },
  'add-url': { lines: 'ADD https://example.com/file /f' },
  'add-git': { lines: 'ADD https://example.com/repo.git /r' },
  'add-checksum': { lines: `ADD --checksum=sha256:${'0'.repeat(64)} https://example.com/file /f`, also: ['add-url'] },
  'add-unpack': { lines: 'ADD --unpack=false a.tar /' },
  'health-start-interval': { lines: 'HEALTHCHECK --start-interval=1s CMD true' },
  annotations: { request: { annotations: { a: 'b' } } },
  'annotation-levels': {
    request: { annotations: [{ key: 'a', value: 'b', level: 'manifest-descriptor' }] },
    also: ['annotations'],
  },
  'no-cache': { request: { noCache: true } },
  'no-cache-filter': { request: { noCacheFilter: ['build'] } },
  'pull-always': { request: { pull: 'always' } },
  'pull-newer': { request: { pull: 'newer' } },
  'pull-never': { request: { pull: 'never' } },
  'foreign-platform': { request: { platform: FOREIGN } },
  'several-platforms': { request: { platform: 'linux/amd64,linux/arm64' }, also: ['foreign-platform'] },
  'add-hosts': { request: { addHosts: [{ name: 'db', address: '10.0.0.1' }] } },
  'network-none': { request: { network: 'none' } },
  'network-host': { request: { network: 'host' } },
  'shm-size': { request: { shmSizeBytes: 1 } },
  ulimits: { request: { ulimits: [{ name: 'nofile', soft: 1, hard: 1 }] } },
  'context-directory': { request: { buildContexts: { docs: '../docs' } } },
  'context-image': { request: { buildContexts: { base: 'docker-image://alpine' } } },
  'context-layout': { request: { buildContexts: { base: 'oci-layout://layout' } } },
  'context-target': { request: { buildContexts: { base: 'target:build' } } },
  parallelism: { request: { parallelism: 2 } },
  'source-date-epoch': { request: { sourceDateEpoch: 0 } },
  'rewrite-timestamp': { request: { rewriteTimestamp: true } },
  'cache-from': { request: { cacheFrom: [{ kind: 'local', directory: 'cache' }] } },
  'cache-to': { request: { cacheTo: [{ kind: 'local', directory: 'cache', mode: 'max' }] } },
  'cache-mounts-from': { request: { cacheMountsFrom: [{ kind: 'local', directory: 'cache' }] } },
  'cache-mounts-to': { request: { cacheMountsTo: [{ kind: 'local', directory: 'cache' }] } },
  squash: { request: { squash: true } },
  'squash-since': { request: { squash: { since: 'deps' } } },
  'format-docker': { request: { format: 'docker' } },
  credentials: { request: { credentials: { 'registry.example': { kind: 'anonymous' } } } },
  strict: { request: { strict: true } },
  'compression-zstd': {
    request: { outputs: [{ kind: 'oci', destination: 'o', tar: true, compression: 'zstd' }] },
    also: ['output-oci'],
  },
  'compression-none': { request: { outputs: [{ kind: 'image', compression: 'none' }] } },
  'force-compression': { request: { outputs: [{ kind: 'image', forceCompression: true }] } },
  'push-by-digest': { request: { outputs: [{ kind: 'image', push: true, pushByDigest: true }] } },
  'output-oci': { request: { outputs: [{ kind: 'oci', destination: 'o', tar: true }] } },
  'output-docker': { request: { outputs: [{ kind: 'docker', destination: 'o' }] } },
  'output-tar': { request: { outputs: [{ kind: 'tar', destination: 'o' }] } },
  'output-local': { request: { outputs: [{ kind: 'local', destination: 'o' }] } },
  'output-load': { request: { outputs: [{ kind: 'load' }] } },
  plan: { purpose: 'plan' },
};

function load(text: string, request: Partial<BuildRequest> = {}): LoadedRequest {
  const directories = Object.entries(request.buildContexts ?? {}).filter(([, value]) => !value.includes(':'));
  return {
    request: { context: { kind: 'empty' }, ...request },
    dockerfile: parseDockerfile(text, { fileName: 'Dockerfile' }),
    context: { directory: undefined, ignore: undefined },
    directories: new Map(directories.map(([name, directory]) => [name, { directory, ignore: undefined }])),
    project: '',
  };
}

const featuresOf = (text: string, request?: Partial<BuildRequest>): readonly Feature[] =>
  needsOf(load(text, request)).map(({ feature }) => feature);

describe('needsOf()', () => {
  it.each(Object.entries(EXAMPLES) as ReadonlyArray<[Feature, Example]>)('detects %s', (feature, example) => {
    const { request, lines = '', purpose, also = [] } = example;
    const needs = needsOf(load(`FROM scratch\n${lines}\n`, request), purpose ?? 'build');
    expect(needs.map((need) => need.feature).toSorted()).toEqual([feature, ...also].toSorted());
    const { location } = needs.find((need) => need.feature === feature)!;
    if (lines === '') expect(location).toBeUndefined();
    else expect(location).toMatchObject({ fileName: 'Dockerfile', range: { start: { line: 2 } } });
  });

  it('finds nothing in what every backend must do', () => {
    const text = `ARG V=1
FROM scratch AS base
ARG V
ENV A=$V
WORKDIR /w
COPY --chown=1:2 --chmod=0644 a b /w/
ADD local.tar /x
RUN echo <<E
hi
E
RUN ["true"]
HEALTHCHECK --interval=1s CMD true
ONBUILD RUN --mount=type=ssh true
FROM base
USER 1
EXPOSE 80
`;
    // The trigger fires in the second stage.
    expect(featuresOf(text)).toEqual(['mount-ssh']);
    expect(featuresOf(text, { target: 'base', tags: ['a'], labels: { a: 'b' }, outputs: [{ kind: 'image' }] })).toEqual(
      [],
    );
  });

  it('looks at the stages alone that the target needs', () => {
    const text =
      'FROM scratch AS a\nRUN --mount=type=ssh true\nFROM scratch AS b\nCOPY --link x /\nFROM scratch\nCOPY --from=b /x /\n';
    expect(featuresOf(text)).toEqual(['copy-link']);
    expect(featuresOf(text, { target: 'a' })).toEqual(['mount-ssh']);
  });

  it('sees through variables of arguments and of the environment', () => {
    const text = `ARG TYPE=cache
FROM scratch
ARG TYPE
ARG MODE=0644
ENV URL=https://example.com
RUN --mount=type=$TYPE,target=/c true
COPY --chmod=$MODE a /a
ADD $URL/repo.git /r
`;
    expect(featuresOf(text).toSorted()).toEqual(['add-git', 'mount-cache']);
    expect(featuresOf(text, { buildArgs: { TYPE: 'tmpfs', MODE: 'a+r' } }).toSorted()).toEqual([
      'add-git',
      'chmod-symbolic',
      'mount-tmpfs',
    ]);
  });

  it('looks at every platform of several', () => {
    const text = 'FROM scratch AS amd64\nFROM scratch AS arm64\nCOPY --link a /a\nFROM $TARGETARCH\n';
    expect(featuresOf(text, { platform: 'linux/amd64' })).not.toContain('copy-link');
    expect(featuresOf(text, { platform: 'linux/amd64,linux/arm64' })).toContain('copy-link');
  });

  it('sees a stage of another architecture, and not one of this host', () => {
    const stages = `FROM --platform=$BUILDPLATFORM scratch AS tools\nFROM --platform=${FOREIGN} scratch AS other\n`;
    expect(featuresOf(`${stages}FROM scratch\nCOPY --from=tools /a /\n`)).toEqual([]);
    const [need, ...others] = needsOf(load(`${stages}FROM scratch\nCOPY --from=other /a /\n`));
    expect(need).toMatchObject({ feature: 'foreign-platform', location: { range: { start: { line: 2 } } } });
    expect(others).toEqual([]);
  });
});

const ALL = Object.fromEntries(Object.keys(FEATURES).map((name) => [name, true])) as Capabilities;

describe('refuseUnsupported()', () => {
  const text = 'FROM scratch\nRUN --mount=type=ssh true\nRUN --security=insecure true\n';
  const needs = needsOf(load(text, { squash: true }));

  it('says nothing where everything can be done', async () => {
    await expect(refuseUnsupported({ name: 'native', capabilities: ALL }, needs, async () => [])).resolves.toBe(
      undefined,
    );
  });

  it('names the option, the backend, the reason, and the backends that can do all of it', async () => {
    const able = { name: 'native', capabilities: ALL } as const;
    const partly = { name: 'buildah-sidecar', capabilities: { ...ALL, 'mount-ssh': 'no agents' } } as const;
    const lacking = { name: 'buildah-cli', capabilities: { ...ALL, squash: 'buildah cannot' } } as const;
    await expect(refuseUnsupported(lacking, needs, async () => [able, partly, lacking])).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: 'The backend buildah-cli cannot honour --squash: buildah cannot.',
      hint: 'Leave it out, or build with --backend native.',
    });
  });

  it('lists everything that is lacking, and points at the first instruction', async () => {
    const capabilities = { ...ALL, squash: 'buildah cannot', 'mount-ssh': 'no agents', 'step-insecure': 'never' };
    const error = await refuseUnsupported({ name: 'buildah-cli', capabilities }, needs, async () => []).catch((e) => e);
    expect(error).toMatchObject({
      code: 'UNSUPPORTED',
      hint: 'No other backend of this host can do all that is asked for: leave them out.',
      location: { fileName: 'Dockerfile', range: { start: { line: 2 } } },
    });
    expect(error.message).toBe(
      'The backend buildah-cli cannot honour 3 things that are asked for. --squash: buildah cannot. ' +
        'RUN --mount=type=ssh (Dockerfile:2): no agents. RUN --security=insecure (Dockerfile:3): never.',
    );
  });
});
