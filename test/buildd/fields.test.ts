import { symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildExtensionSchema, BuildRequestSchema, MessageInput } from '../../src/rpc/index.ts';
import { missingForRun } from '../integration/busybox-image.ts';
import { type Collected, collect } from './collect-events.ts';
import { type BuildClient, type DaemonFixture, openDaemon } from './daemon-fixture.ts';
import { parseResult } from './parse-result.ts';
import { writeFiles } from './write-files.ts';

type Fields<T> = Exclude<T, { readonly $typeName: string }>;
type Request = Omit<Fields<MessageInput<typeof BuildRequestSchema>>, 'extension'> & {
  readonly extension?: Fields<MessageInput<typeof BuildExtensionSchema>>;
};

const BASE = 'localhost/busybox:latest';
const lacking = missingForRun();
if (lacking !== undefined) process.stderr.write(`SKIPPED test/buildd/fields: ${lacking}\n`);

let fixture: DaemonFixture;
let client: BuildClient;
let allowed: string;
let outside: string;
beforeAll(async () => {
  const places = await import('../support/temp-dir.ts');
  const directory = places.makeTempDir('fields');
  allowed = writeFiles(join(directory, 'allowed'), {
    'context/Dockerfile': `FROM ${BASE}\nCOPY . /context/\nRUN ls /context\n`,
    'context/kept': 'kept',
    'context/ignored': 'ignored',
    'context/.dockerignore': 'ignored\nlink*\nouter*\n',
    'context/second': 'RUN echo second file\n',
    token: 'the token of the host',
    'data/file': 'volume data\n',
  });
  outside = writeFiles(join(directory, 'outside'), {
    Dockerfile: `FROM ${BASE}\n`,
    secret: 'never to be seen',
    'd/x': 'x',
  });
  symlinkSync(outside, join(allowed, 'link'));
  symlinkSync(join(outside, 'Dockerfile'), join(allowed, 'context/outer.Dockerfile'));
  symlinkSync(join(outside, 'secret'), join(allowed, 'secret-link'));
  process.env['ZLAYER_TEST_ALLOWED'] = 'variable of the daemon';
  fixture = await openDaemon({
    allow: {
      contexts: [allowed],
      entitlements: [],
      secretEnvs: ['ZLAYER_TEST_ALLOWED'],
      sshAgent: false,
      signIns: false,
    },
  });
  client = await fixture.connect();
});
afterAll(async () => {
  await fixture?.close();
  const { removeTempDir } = await import('../support/temp-dir.ts');
  await removeTempDir(join(allowed, '..'));
});

const text = (dockerfile: string): { readonly dockerfile: Uint8Array } => ({ dockerfile: Buffer.from(dockerfile) });
const run = (dockerfile: string, request: Request = {}): Promise<Collected> =>
  collect(client.build({ layers: true, ...request, extension: { ...text(dockerfile), ...request.extension } }));

/** The lines that steps printed; fails with the build's error. */
async function linesOf(dockerfile: string, request: Request = {}): Promise<readonly string[]> {
  const built = await run(dockerfile, request);
  expect(built.error?.message).toBeUndefined();
  return built.lines;
}

describe.skipIf(lacking !== undefined)('a field of BuildRequest', () => {
  it.each<[string, string, Request, readonly string[]]>([
    ['build_args', 'ARG A=1\nRUN echo $A', { buildArgs: { A: 'given' } }, ['given']],
    ['target_stage', 'RUN echo first\nFROM scratch AS second', { targetStage: '0' }, ['first']],
    [
      'envs',
      'RUN echo "$A-$B"\nENV B=file\nRUN echo $B',
      { envs: ["A=it's $HOME", 'B=given'] },
      ["it's $HOME-given", 'file'],
    ],
    [
      'add_hosts',
      'RUN cat /etc/hosts',
      { addHosts: ['builder:10.1.2.3'] },
      expect.arrayContaining([expect.stringMatching(/^10\.1\.2\.3\s+builder$/)]),
    ],
    ['ulimits', 'RUN ulimit -n', { ulimits: ['nofile=321:654'] }, ['321']],
    ['shm_size', "RUN stat -f -c '%b %S' /dev/shm", { shmSize: '8m' }, ['2048 4096']],
    ['extension.network', 'RUN ls /sys/class/net', { extension: { network: 'none' } }, ['lo']],
  ])('%s has its effect', async (_, steps, request, lines) => {
    expect(await linesOf(`FROM ${BASE}\n${steps}\n`, request)).toEqual(lines);
  });

  it('secrets come from files below an allowed directory, and from allowed variables', async () => {
    const steps = 'RUN --mount=type=secret,id=a --mount=type=secret,id=b cat /run/secrets/a /run/secrets/b';
    const secrets = [`id=a,src=${allowed}/token`, 'id=b,env=ZLAYER_TEST_ALLOWED'];
    expect(await linesOf(`FROM ${BASE}\n${steps}\n`, { secrets })).toEqual([
      'the token of the hostvariable of the daemon',
    ]);
  });

  it('volumes are seen by RUN, read-only or with changes that the step forgets', async () => {
    const lines = await linesOf(
      `FROM ${BASE}\nRUN cat /v/file; echo x > /v/file || echo refused\nRUN echo x > /w/file; cat /w/file\nRUN cat /w/file\n`,
      {
        volumes: [`${allowed}/data:/v:ro`, `${allowed}/data:/w:O`],
      },
    );
    expect(lines.filter((line) => !line.includes('Read-only'))).toEqual(['volume data', 'refused', 'x', 'volume data']);
  });

  it('context_dir is built with its ignore file, and several dockerfile_paths are one after the other', async () => {
    const built = await collect(
      client.build({
        layers: true,
        contextDir: `${allowed}/context`,
        dockerfilePaths: ['Dockerfile', `${allowed}/context/second`],
      }),
    );
    expect(built.error?.message).toBeUndefined();
    expect(built.lines).toEqual(['Dockerfile', 'kept', 'second', 'second file']);
  });

  it('labels, annotations, format, source_date_epoch, tags and layers shape the image', async () => {
    const built = await run(`FROM ${BASE}\nRUN echo 1 > /a\nRUN echo 2 > /b\n`, {
      layers: false,
      labels: ['a=b', 'c'],
      annotations: ['org.example.key=value'],
      sourceDateEpoch: 1_600_000_000n,
      rewriteTimestamp: true,
      tags: ['localhost/shaped', 'localhost/shaped:2'],
    });
    const result = parseResult(built.finished!.resultJson);
    expect(result.config.config?.Labels).toEqual({ a: 'b', c: '' });
    expect(result.config.created).toMatch(/^2020-09-13T12:26:40(\.000)?Z$/);
    expect(result.references).toEqual(['localhost/shaped:latest', 'localhost/shaped:2']);
    expect(result.layers).toHaveLength(2);
    const { images } = await client.listImages({});
    expect(images.flatMap(({ references }) => references)).toContain('localhost/shaped:2');
  });

  it('no_cache runs steps again', async () => {
    const dockerfile = `FROM ${BASE}\nRUN echo again\n`;
    expect(await linesOf(dockerfile)).toEqual(['again']);
    expect(await linesOf(dockerfile)).toEqual([]);
    expect(await linesOf(dockerfile, { noCache: true })).toEqual(['again']);
  });

  it('pull_policy never leaves registries alone', async () => {
    const built = await run('FROM 127.0.0.1:1/nothing\n', { pullPolicy: 'never' });
    expect(built.error?.code).toBe('IMAGE_NOT_FOUND');
  });
});

describe('a field that cannot be honoured', () => {
  it.each<[string, Request]>([
    ['cache_from', { cacheFrom: 'localhost/Cache' }],
    ['cache_to', { cacheTo: 'type=local,dest=/tmp/cache' }],
    ['isolation', { isolation: 'vm' }],
    ['pull_policy', { pullPolicy: 'sometimes' }],
    ['format', { format: 'squashfs' }],
    ['labels', { labels: ['=x'] }],
    ['annotations', { annotations: ['=x'] }],
    ['add_hosts', { addHosts: ['builder'] }],
    ['add_hosts', { addHosts: ['builder:nowhere'] }],
    ['envs', { envs: ['HOME'] }],
    ['shm_size', { shmSize: 'large' }],
    ['ulimits', { ulimits: ['nofile'] }],
    ['volumes', { volumes: ['name:/v'] }],
    ['secrets', { secrets: ['id=a,mode=1'] }],
    ['source_date_epoch', { sourceDateEpoch: -1n }],
    ['extension.backend', { extension: { backend: 'buildah-cli' } }],
    ['extension.network', { extension: { network: 'bridge' } }],
    ['extension.compression', { extension: { compression: 'lzma' } }],
    ['extension.secret_ids', { extension: { secretIds: ['a'] } }],
    ['extension.ssh_ids', { extension: { sshIds: ['default'] } }],
    ['context_dir', { contextDir: '/x', extension: { contextTree: `sha256:${'0'.repeat(64)}` } }],
    ['host_network', { hostNetwork: true, extension: { network: 'none' } }],
  ])('%s is refused by name', async (field, request) => {
    const built = await run('FROM scratch\nCOPY a /\n', request);
    expect(built.error?.kind).toBe('parse');
    expect(built.error?.message).toContain(field);
    expect(['USAGE', 'UNSUPPORTED']).toContain(built.error?.code);
  });

  it('request_id is refused when another build of the client has it', async () => {
    await collect(client.build({ requestId: 'mine', extension: text('FROM scratch\n') }));
    await expect(collect(client.build({ requestId: 'mine', extension: text('FROM scratch\n') }))).rejects.toThrow(
      'request_id',
    );
    await expect(collect(client.build({ requestId: 'a b', extension: text('FROM scratch\n') }))).rejects.toThrow(
      'request_id',
    );
  });
});

describe('what lies outside', () => {
  it.each<[string, () => Request]>([
    ['a context_dir elsewhere', () => ({ contextDir: outside })],
    ['a context_dir with ..', () => ({ contextDir: `${allowed}/../outside` })],
    ['a context_dir that begins like an allowed one', () => ({ contextDir: `${allowed}-not` })],
    ['a context_dir that a symlink leads to', () => ({ contextDir: `${allowed}/link` })],
    ['a context_dir below a symlink', () => ({ contextDir: `${allowed}/link/d` })],
    ['the root', () => ({ contextDir: '/' })],
    [
      'a dockerfile path with ..',
      () => ({ contextDir: `${allowed}/context`, dockerfilePaths: ['../../outside/Dockerfile'] }),
    ],
    [
      'an absolute dockerfile path',
      () => ({ contextDir: `${allowed}/context`, dockerfilePaths: [`${outside}/Dockerfile`] }),
    ],
    [
      'a dockerfile that is a symlink',
      () => ({ contextDir: `${allowed}/context`, dockerfilePaths: ['outer.Dockerfile'] }),
    ],
    ['a secret elsewhere', () => ({ ...stepOf(), secrets: [`id=a,src=${outside}/secret`] })],
    ['a secret that a symlink leads to', () => ({ ...stepOf(), secrets: [`id=a,src=${allowed}/secret-link`] })],
    ['a secret of a variable', () => ({ ...stepOf(), secrets: ['id=a,env=PATH'] })],
    ['a volume elsewhere', () => ({ ...stepOf(), volumes: [`${outside}:/v:ro`] })],
    ['a volume that a symlink leads to', () => ({ ...stepOf(), volumes: [`${allowed}/link:/v:ro`] })],
    [
      'a named context elsewhere',
      () => ({ extension: { ...text('FROM scratch\nCOPY --from=n . /\n'), buildContexts: { n: outside } } }),
    ],
    [
      'an OCI layout elsewhere',
      () => ({ extension: { ...text('FROM n\n'), buildContexts: { n: `oci-layout://${outside}:latest` } } }),
    ],
    ['an ssh agent elsewhere', () => ({ ...stepOf(), ssh: [`default=${outside}/agent`] })],
    ["the daemon's own ssh agent", () => ({ ...stepOf(), ssh: ['default'] })],
    ["the host's network", () => ({ ...stepOf(), hostNetwork: true })],
    ["the host's network, the other way", () => ({ extension: { ...text('FROM scratch\n'), network: 'host' } })],
    ['insecure steps', () => ({ extension: { ...text('FROM scratch\n'), allow: ['security.insecure'] } })],
    ['devices', () => ({ extension: { ...text('FROM scratch\n'), allow: ['device=vendor.com/x'] } })],
  ])('%s is refused', async (_, request) => {
    const built = await collect(client.build({ layers: true, ...request() }));
    expect(built.finished).toBeUndefined();
    expect(built.error?.code).toBe('NOT_ALLOWED');
    expect(
      JSON.stringify(built.events, (_key, value) => (typeof value === 'bigint' ? `${value}` : (value as unknown))),
    ).not.toContain('never to be seen');
  });

  it('a symlink of the context is copied as a link, and never followed', async () => {
    const context = writeFiles(join(allowed, 'with-link'), {
      Dockerfile: `FROM ${BASE}\nCOPY . /c/\nRUN readlink /c/out\n`,
    });
    symlinkSync(join(outside, 'secret'), join(context, 'out'));
    const built = await collect(client.build({ layers: true, contextDir: context }));
    expect(built.error?.message).toBeUndefined();
    expect(built.lines).toEqual([join(outside, 'secret')]);
    const through = writeFiles(join(allowed, 'through-link'), { Dockerfile: `FROM ${BASE}\nCOPY dir/secret /s\n` });
    symlinkSync(outside, join(through, 'dir'));
    const refused = await collect(client.build({ layers: true, contextDir: through }));
    expect(refused.error?.code).toBe('SOURCE_NOT_FOUND');
  });

  it('a socket below an allowed directory is taken as an agent', async () => {
    const socket = join(allowed, 'agent');
    const server = createServer((connection) => connection.end('agent says hello\n'));
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    try {
      const built = await run('FROM scratch\nENV A=1\n', { ssh: [`default=${socket}`] });
      expect(built.error?.message).toBeUndefined();
      const refused = await run('FROM scratch\n', { ssh: [`default=${allowed}/token`] });
      expect(refused.error?.code).toBe('UNSUPPORTED');
    } finally {
      server.close();
    }
  });
});

const stepOf = (): Request => ({ extension: text(`FROM ${BASE}\nRUN --mount=type=secret,id=a cat /run/secrets/a\n`) });
