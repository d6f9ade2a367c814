import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createGhaClient } from '../../src/cache/storage/gha-client.ts';
import { digestOf, type RunContext } from '../../src/core/index.ts';
import type { BuildEvent } from '../../src/index.ts';
import { type DockerRegistry, missingPrograms, startDockerRegistry } from '../registry/docker-registry.ts';
import { importBusybox, missingForRun } from './busybox-image.ts';
import { GHA_TOKEN, type GhaService, startGhaService } from './gha-service.ts';
import { buildOn, createMachines, type Observed, verdicts, warnings } from './machines.ts';
import { S3_KEY, type S3Store, startS3Store } from './s3-store.ts';

const { home, machine, contextOf, remove } = createMachines('shared-cache');
afterAll(remove);

const TWO_STAGES = `FROM scratch AS tools
COPY tool /tool
FROM scratch
COPY a.txt /a
COPY --from=tools /tool /bin/tool
COPY b.txt /b
`;

const FILES = { Dockerfile: TWO_STAGES, 'a.txt': 'a', 'b.txt': 'b', tool: 'tool' };

describe('a local shared cache', () => {
  const directory = join(home, 'cache');
  const max = [{ kind: 'local', directory, mode: 'max' }] as const;
  const from = [{ kind: 'local', directory }] as const;

  it('gives another machine every step, and the same layers', async () => {
    const context = contextOf(FILES);
    const first = await buildOn(machine(), context, { cacheTo: max });
    const second = await buildOn(machine(), context, { cacheFrom: from });
    expect(verdicts(first)).toEqual(['run', 'run', 'run', 'run']);
    expect(verdicts(second)).toEqual(['cached', 'cached', 'cached', 'cached']);
    expect(second.result.config.rootfs).toEqual(first.result.config.rootfs);
  });

  it('has the steps of the image alone with mode min', async () => {
    const context = contextOf({ ...FILES, tool: 'another' });
    const least = join(home, 'cache-min');
    await buildOn(machine(), context, { cacheTo: [{ kind: 'local', directory: least, mode: 'min' }] });
    const second = await buildOn(machine(), context, { cacheFrom: [{ kind: 'local', directory: least }] });
    expect(second.result.steps.find(({ name }) => name.includes('COPY tool'))?.verdict.kind).toBe('run');
    expect(second.result.steps.find(({ name }) => name.includes('COPY b.txt'))?.verdict.kind).toBe('cached');
  });

  it('stays as large as what it holds', async () => {
    const bounded = join(home, 'cache-bounded');
    const target = [{ kind: 'local', directory: bounded, mode: 'max' }] as const;
    const blobs = join(bounded, 'blobs/sha256');
    const counts: number[] = [];
    for (const text of ['one', 'two', 'three']) {
      await buildOn(machine(), contextOf({ ...FILES, 'a.txt': text }), { cacheTo: target });
      counts.push(readdirSync(blobs).length);
    }
    expect(counts[2]).toBe(counts[0]);
  });

  it('is a warning that names it when it is missing, broken, or something else', async () => {
    const broken = join(home, 'cache-broken');
    await buildOn(machine(), contextOf(FILES), { cacheTo: [{ kind: 'local', directory: broken, mode: 'max' }] });
    const index = JSON.parse(readFileSync(join(broken, 'index.json'), 'utf8')) as { manifests: [{ digest: string }] };
    writeFileSync(join(broken, 'blobs/sha256', index.manifests[0].digest.slice(7)), '{}');
    const missing = join(home, 'cache-missing');
    const observed = await buildOn(machine(), contextOf(FILES), {
      cacheFrom: [
        { kind: 'local', directory: missing },
        { kind: 'local', directory: broken },
      ],
    });
    expect(warnings(observed)).toEqual([
      `CacheNotImported: The cache ${missing} is not used: there is none yet.`,
      expect.stringContaining(`The cache ${broken} is not used: The cache in ${broken} is damaged`),
    ]);
    expect(verdicts(observed)).toEqual(['run', 'run', 'run', 'run']);
  });

  it('fails the build when it cannot be written, unless errors are ignored', async () => {
    const file = join(home, 'a-file');
    writeFileSync(file, '');
    const target = { kind: 'local', directory: file, mode: 'max' } as const;
    await expect(buildOn(machine(), contextOf(FILES), { cacheTo: [target] })).rejects.toMatchObject({
      code: 'OUTPUT_FAILED',
    });
    const observed = await buildOn(machine(), contextOf(FILES), { cacheTo: [{ ...target, ignoreError: true }] });
    expect(warnings(observed).join()).toContain(`CacheNotExported: The cache ${file} was not written`);
  });
});

describe('a shared cache in a bucket', () => {
  let bucket: S3Store;
  beforeAll(async () => {
    bucket = await startS3Store();
  });
  afterAll(async () => bucket.close());

  const location = (name: string) =>
    ({
      kind: 's3',
      bucket: 'team',
      region: 'eu-1',
      prefix: 'caches/',
      name,
      endpointUrl: bucket.endpointUrl,
      usePathStyle: true,
      ...S3_KEY,
    }) as const;

  it('gives another machine every step, though the store stumbles', async () => {
    const context = contextOf({ ...FILES, tool: 'in a bucket' });
    bucket.stumble(1);
    await buildOn(machine(), context, { cacheTo: [{ ...location('main'), mode: 'max' }] });
    bucket.stumble(1);
    const second = await buildOn(machine(), context, { cacheFrom: [location('main')] });
    expect(verdicts(second)).toEqual(['cached', 'cached', 'cached', 'cached']);
    expect([...bucket.objects.keys()]).toContain('team/caches/manifests/main');
  });

  it('is not sent again what it has', async () => {
    const context = contextOf({ ...FILES, tool: 'twice' });
    const dataDir = machine();
    const target = [{ ...location('twice'), mode: 'max' }] as const;
    await buildOn(dataDir, context, { cacheTo: target });
    const before = bucket.served.length;
    await buildOn(dataDir, context, { cacheTo: target });
    const puts = bucket.served.slice(before).filter((line) => line.startsWith('PUT'));
    expect(puts).toEqual(['PUT team/caches/manifests/twice']);
  });

  it('is a warning when the key is wrong, and when there is none yet', async () => {
    const observed = await buildOn(machine(), contextOf(FILES), {
      cacheFrom: [{ ...location('main'), secretAccessKey: 'wrong' }, location('nothing')],
    });
    expect(warnings(observed).toSorted()).toEqual([
      'CacheNotImported: The cache s3://team/caches/main is not used: The bucket team denies access: The signature does not match.',
      'CacheNotImported: The cache s3://team/caches/nothing is not used: there is none yet.',
    ]);
  });
});

describe('a shared cache in the cache service of GitHub Actions', () => {
  let service: GhaService;
  beforeAll(async () => {
    service = await startGhaService();
  });
  afterAll(async () => service.close());

  const location = (scope: string) => ({ kind: 'gha', scope, url: service.url, token: GHA_TOKEN }) as const;

  it('gives another machine every step, though the storage stumbles', async () => {
    const context = contextOf({ ...FILES, tool: 'in Actions' });
    service.stumble(1);
    await buildOn(machine(), context, { cacheTo: [{ ...location('main'), mode: 'max' }] });
    const second = await buildOn(machine(), context, { cacheFrom: [location('main')] });
    expect(verdicts(second)).toEqual(['cached', 'cached', 'cached', 'cached']);
    expect(warnings(second)).toEqual([]);
  });

  it('takes what is large in blocks', async () => {
    const context: RunContext = { signal: new AbortController().signal, emit: () => undefined };
    const client = createGhaClient(location('blocks'), { env: {}, blockBytes: 1000 });
    const bytes = randomBytes(2500);
    const open = async function* (_: unknown, { offset = 0 } = {}) {
      yield bytes.subarray(offset);
    };
    const blob = { digest: digestOf(bytes), sizeBytes: bytes.length };
    await client.save('large', { blob, source: { open } }, context);
    expect(service.entries.get('large')).toEqual(bytes);
    expect(service.calls.filter((call) => call === 'PUT block')).toHaveLength(3);
    // Another job was faster.
    await client.save('large', { blob, source: { open } }, context);
    await client.close();
  });

  it('sends no layer twice, and is found in its newest form by its scope alone', async () => {
    const target = { ...location('twice'), mode: 'max' } as const;
    await buildOn(machine(), contextOf(FILES), { cacheTo: [target] });
    const before = service.entries.size;
    const context = contextOf({ ...FILES, 'b.txt': 'changed' });
    await buildOn(machine(), context, { cacheFrom: [target], cacheTo: [target] });
    // The layer of b.txt, the config and the manifest.
    expect(service.entries.size - before).toBe(3);
    const third = await buildOn(machine(), context, { cacheFrom: [location('nothing'), target] });
    expect(verdicts(third)).toEqual(['cached', 'cached', 'cached', 'cached']);
    expect(warnings(third)).toEqual(['CacheNotImported: The cache gha:nothing is not used: there is none yet.']);
  });

  it('is refused before the first step outside of Actions, and a warning where results are taken from it', async () => {
    vi.stubEnv('ACTIONS_RESULTS_URL', '');
    vi.stubEnv('ACTIONS_RUNTIME_TOKEN', '');
    try {
      const events: BuildEvent[] = [];
      const onEvent = (event: BuildEvent) => events.push(event);
      const building = buildOn(machine(), contextOf(FILES), { cacheTo: [{ kind: 'gha', mode: 'max' }], onEvent });
      await expect(building).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' });
      expect(events.some(({ kind }) => kind === 'vertex-started')).toBe(false);
      const other = await buildOn(machine(), contextOf(FILES), {
        cacheFrom: [{ kind: 'gha' }, { ...location('main'), token: 'another' }],
      });
      expect(warnings(other).toSorted()).toEqual([
        expect.stringContaining('The cache gha:main is not used: The cache service of GitHub Actions denies access'),
        expect.stringContaining(
          'The cache gha:zlayer is not used: The cache type=gha cannot be used: ACTIONS_RESULTS_URL',
        ),
      ]);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe.skipIf(missingPrograms('docker-registry').length > 0)('a shared cache in a registry', () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    registry = await startDockerRegistry();
  });
  afterAll(async () => registry.stop());

  const transfers = ({ events }: Observed, direction: string): readonly string[] =>
    events.flatMap((event) =>
      event.kind === 'transfer' && event.direction === direction && event.done ? [event.name] : [],
    );

  it('gives another machine every step; only what the image needs is fetched', async () => {
    const reference = `${registry.host}/team/cache:main`;
    const context = contextOf({ ...FILES, tool: 'in a registry' });
    await buildOn(machine(), context, { cacheTo: [{ kind: 'registry', reference, mode: 'max' }] });
    const second = await buildOn(machine(), context, { cacheFrom: [{ kind: 'registry', reference }] });
    expect(verdicts(second)).toEqual(['cached', 'cached', 'cached', 'cached']);
    expect(second.result.layers).toHaveLength(3);
    // The cache's config and the image's layers: that of stage `tools` is in no image.
    expect(transfers(second, 'pull')).toHaveLength(1 + 3);
  });

  it('is written again by a build that took everything from it, without fetching what it has', async () => {
    const reference = `${registry.host}/team/again:main`;
    const context = contextOf({ ...FILES, tool: 'again' });
    const target = [{ kind: 'registry', reference, mode: 'max' }] as const;
    await buildOn(machine(), context, { cacheTo: target });
    const again = await buildOn(machine(), context, { cacheFrom: target, cacheTo: target });
    expect(transfers(again, 'pull')).toHaveLength(1 + 3);
    const third = await buildOn(machine(), context, { cacheFrom: target });
    expect(verdicts(third)).toEqual(['cached', 'cached', 'cached', 'cached']);
  });

  it('moves to another repository whole', async () => {
    const from = `${registry.host}/team/from:main`;
    const to = `${registry.host}/other/to:main`;
    const context = contextOf({ ...FILES, tool: 'moved' });
    await buildOn(machine(), context, { cacheTo: [{ kind: 'registry', reference: from, mode: 'max' }] });
    await buildOn(machine(), context, {
      cacheFrom: [{ kind: 'registry', reference: from }],
      cacheTo: [{ kind: 'registry', reference: to, mode: 'max' }],
    });
    const third = await buildOn(machine(), context, { cacheFrom: [{ kind: 'registry', reference: to }] });
    expect(verdicts(third)).toEqual(['cached', 'cached', 'cached', 'cached']);
  });

  it('goes on without a registry that cannot be reached', async () => {
    const reference = '127.0.0.1:1/team/cache:main';
    const observed = await buildOn(machine(), contextOf(FILES), { cacheFrom: [{ kind: 'registry', reference }] });
    expect(warnings(observed).join()).toContain(`The cache ${reference} is not used`);
  });

  it.skipIf(missingForRun() !== undefined)(
    'holds steps on a base that is pulled from elsewhere, and not the base',
    async () => {
      const maker = machine();
      await importBusybox(maker);
      const base = `${registry.host}/bases/busybox:1`;
      const publish = contextOf({ Dockerfile: 'FROM localhost/busybox:latest\n' });
      await buildOn(maker, publish, { tags: [base], push: true });
      const reference = `${registry.host}/team/run:main`;
      const context = contextOf({ Dockerfile: `FROM ${base}\nCOPY x /x\nRUN cat /x > /y && date >> /y\n`, x: 'x' });
      const first = await buildOn(machine(), context, { cacheTo: [{ kind: 'registry', reference, mode: 'max' }] });
      const another = machine();
      const second = await buildOn(another, context, { cacheFrom: [{ kind: 'registry', reference }] });
      expect(verdicts(second)).toEqual(['cached', 'cached']);
      expect(second.result.config.rootfs).toEqual(first.result.config.rootfs);
      const response = await fetch(`http://${registry.host}/v2/team/run/manifests/main`, {
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      });
      const manifest = (await response.json()) as { readonly layers: readonly unknown[] };
      expect(manifest.layers).toHaveLength(2);
      expect(statSync(another).isDirectory()).toBe(true);
    },
  );
});
