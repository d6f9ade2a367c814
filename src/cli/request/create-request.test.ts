import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeBuilder } from '../../../test/cli/build-fakes.ts';
import { type FakeOptions, runFake } from '../../../test/cli/fake-context.ts';
import type { BuildRequest } from '../../backends/index.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'zlayer-cli-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The request that a command line makes. */
async function requestOf(args: readonly string[], options: FakeOptions = {}): Promise<BuildRequest> {
  const { services, requests } = createFakeBuilder();
  const { status, stderr } = await runFake(['build', ...args], { ...options, services });
  if (status !== 0) throw new Error(stderr);
  return requests[0]!;
}

async function errorOf(
  args: readonly string[],
  options: FakeOptions = {},
): Promise<{ status: number; stderr: string }> {
  const { services, requests } = createFakeBuilder();
  const { status, stderr } = await runFake(['build', ...args], { ...options, services });
  expect(requests).toEqual([]);
  return { status, stderr };
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('createBuildRequest()', () => {
  it('leaves out what was not asked for', async () => {
    expect(await requestOf(['.'])).toEqual({ context: { kind: 'directory', path: '.' } });
  });

  it('reads every option of the command', async () => {
    const line = `-t a:1 -t b -f d/F --build-arg A=1 --build-arg B= --target T --platform linux/arm64 --no-cache
      --no-cache-filter x,y --no-cache-filter z --pull --label l=1 --annotation n=2 --add-host h:1.2.3.4 --add-host six=[::1]
      --network none --shm-size 64m --ulimit nofile=10:20 --ulimit core=-1 --build-context bc=docker-image://x
      --parallelism 3 --allow network.host,security.insecure --strict --data-dir /d --push .`;
    expect(await requestOf(line.split(/\s+/))).toEqual({
      context: { kind: 'directory', path: '.' },
      dockerfile: { kind: 'path', path: 'd/F' },
      tags: ['a:1', 'b'],
      buildArgs: { A: '1', B: '' },
      target: 'T',
      platform: 'linux/arm64',
      noCache: true,
      noCacheFilter: ['x', 'y', 'z'],
      pull: 'always',
      labels: { l: '1' },
      annotations: { n: '2' },
      addHosts: [
        { name: 'h', address: '1.2.3.4' },
        { name: 'six', address: '::1' },
      ],
      network: 'none',
      shmSizeBytes: 67_108_864,
      ulimits: [
        { name: 'nofile', soft: 10, hard: 20 },
        { name: 'core', soft: -1, hard: -1 },
      ],
      buildContexts: { bc: 'docker-image://x' },
      parallelism: 3,
      allow: ['network.host', 'security.insecure'],
      strict: true,
      dataDir: '/d',
      push: true,
    });
  });

  it('takes a build argument without a value from the environment, or not at all', async () => {
    const request = await requestOf(['--build-arg', 'SET', '--build-arg', 'UNSET', '--build-arg=E=', '.'], {
      env: { SET: 'yes', E: 'no' },
    });
    expect(request.buildArgs).toEqual({ SET: 'yes', E: '' });
  });

  it.each([
    [['--pull'], 'always'],
    [['--pull=true'], 'always'],
    [['--pull=false'], 'missing'],
    [['--pull=never'], 'never'],
    [['--pull=newer'], 'newer'],
    [[], undefined],
  ])('reads %j as pull %s', async (args, pull) => {
    expect((await requestOf([...args, '.'])).pull).toBe(pull);
  });

  it('takes the platform and the epoch from the environment as docker does', async () => {
    const env = { DOCKER_DEFAULT_PLATFORM: 'linux/arm64', SOURCE_DATE_EPOCH: '1700000000' };
    expect(await requestOf(['.'], { env })).toMatchObject({ platform: 'linux/arm64', sourceDateEpoch: 1_700_000_000 });
    expect((await requestOf(['--platform=linux/amd64', '.'], { env })).platform).toBe('linux/amd64');
  });

  it.each([
    [['--backend', 'Buildah'], { backend: 'buildah-cli' }],
    [['--backend=native'], { backend: 'native' }],
    [['--squash'], { squash: true }],
    [['--squash=deps'], { squash: { since: 'deps' } }],
    [['--preset=cloud-run'], { preset: 'cloud-run' }],
    [
      ['--annotation', 'index,manifest[linux/arm64]:a.b=c=d', '--annotation', 'x=1'],
      {
        annotations: [
          { key: 'a.b', value: 'c=d', level: 'index' },
          { key: 'a.b', value: 'c=d', level: 'manifest', platform: 'linux/arm64' },
          { key: 'x', value: '1' },
        ],
      },
    ],
    [
      ['-o', 'type=image,force-compression=true', '-o', 'type=docker,dest=d,compression-level=9'],
      {
        outputs: [
          { kind: 'image', push: false, forceCompression: true },
          { kind: 'docker', destination: 'd', compression: 'gzip', compressionLevel: 9 },
        ],
      },
    ],
    [
      ['-o', 'type=registry,name=example.com/app,push-by-digest=true,name-canonical=true'],
      { tags: ['example.com/app'], outputs: [{ kind: 'image', push: true, pushByDigest: true }] },
    ],
    [['--platform', 'linux/amd64, linux/arm64', '--platform=linux/amd64'], { platform: 'linux/amd64,linux/arm64' }],
    [['-o', 'type=image,oci-mediatypes=false'], { format: 'docker' }],
    [['-o', 'type=oci,dest=x.tar,oci-mediatypes=false', '-o', 'type=image'], { format: 'docker' }],
  ])('reads %j as %j', async (args, wanted) => {
    expect(await requestOf([...args, '.'])).toMatchObject(wanted);
  });

  it('says what format is asked for, and nothing where none is', async () => {
    expect(await requestOf(['-o', 'type=image,oci-mediatypes=true', '.'])).toHaveProperty('format', 'oci');
    expect(await requestOf(['-o', 'type=image', '.'])).not.toHaveProperty('format');
  });

  it.each([['layer:a=b'], ['manifest[]:a=b'], ['manifest:=b'], ['index:a']])(
    'refuses the annotation %s',
    async (text) => {
      const { status, stderr } = await errorOf(['--annotation', text, '.']);
      expect(status).toBe(2);
      expect(stderr).toContain(`"${text}"`);
    },
  );

  it('refuses a backend that there is none, and outputs that contradict each other', async () => {
    const unknown = await errorOf(['--backend', 'docker', '.']);
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain('There is no backend "docker"');
    const outputs = ['type=image,oci-mediatypes=true', 'type=oci,dest=x,oci-mediatypes=false'];
    const mixed = await errorOf([...outputs.flatMap((output) => ['-o', output]), '.']);
    expect(mixed.status).toBe(2);
    expect(mixed.stderr).toContain('oci-mediatypes');
  });

  it('counts asking for the network of the host as the permission', async () => {
    expect(await requestOf(['--allow=device=acme.com/gpu=0', '.'])).toMatchObject({ allow: ['device=acme.com/gpu=0'] });
    await expect(requestOf(['--allow=network.hosts', '.'])).rejects.toThrow(/no right "network.hosts".*USAGE/);
    expect(await requestOf(['--network=host', '.'])).toMatchObject({ network: 'host', allow: ['network.host'] });
  });

  it.each([
    ['https://example.com/r.git#main:sub'],
    ['git@example.com:me/r.git'],
    ['ssh://git@example.com/r.git'],
    ['github.com/me/r'],
    ['https://example.com/context.tar.gz'],
  ])('takes %s for a URL', async (url) => {
    expect((await requestOf([url])).context).toEqual({ kind: 'url', url });
  });

  it('reads a Dockerfile from standard input, with and without a context', async () => {
    expect(await requestOf(['-'], { stdin: 'FROM scratch\n' })).toEqual({
      context: { kind: 'empty' },
      dockerfile: { kind: 'text', text: 'FROM scratch\n', fileName: '<stdin>' },
    });
    expect(await requestOf(['-f', '-', '.'], { stdin: 'FROM scratch\n' })).toEqual({
      context: { kind: 'directory', path: '.' },
      dockerfile: { kind: 'text', text: 'FROM scratch\n', fileName: '<stdin>' },
    });
  });

  it.each([
    ['a tar', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\0'), Buffer.alloc(70_000, 7)])],
    ['a gzip', gzipSync(Buffer.alloc(10_000))],
    ['a zstd', Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), Buffer.alloc(100)])],
    ['an xz', Buffer.concat([Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), Buffer.alloc(100)])],
  ])('knows %s on standard input and hands on every byte of it', async (_name, stdin) => {
    const { context, dockerfile } = await requestOf(['-', '-f', 'sub/Dockerfile'], { stdin });
    expect(dockerfile).toEqual({ kind: 'path', path: 'sub/Dockerfile' });
    if (context.kind !== 'tar') throw new Error(`The context is ${context.kind}.`);
    expect((await textOf(context.stream)).equals(stdin)).toBe(true);
  });

  it.each([
    [['-', '-f', '-'], 'Standard input cannot be both the Dockerfile and the context.'],
    [['-f', 'other', '-'], 'Standard input is a Dockerfile, but -f names another.'],
    [['--push', '.'], 'There is nothing to push: the image has no name.'],
    [['--add-host', 'h', '.'], '--add-host takes HOST:IP'],
    [['--add-host', 'h:example', '.'], '"example" is not an IP address'],
    [['--ulimit', 'nofile', '.'], '--ulimit takes NAME=SOFT[:HARD]'],
    [['--ulimit', 'nofiles=1', '.'], 'There is no limit "nofiles".'],
    [['--ulimit', 'nofile=9:8', '.'], 'the soft limit is above the hard limit'],
    [['--build-context', 'x', '.'], '--build-context takes NAME=SOURCE'],
    [['--shm-size', 'big', '.'], '--shm-size takes a size'],
    [['.', 'extra'], '"zlayer build" takes one argument (PATH | URL | -), but was given 2'],
    [[], '"zlayer build" needs one argument: PATH | URL | -.'],
    [['-q', '--progress=plain', '.'], '--quiet and --progress=plain contradict each other.'],
    [['--plan', '--push', '-t', 'a', '.'], '--plan runs nothing'],
    [['--progress=tty', '.'], '--progress=tty needs a terminal'],
  ])('refuses %j as a wrong command line', async (args, message) => {
    const { status, stderr } = await errorOf(args, { stdin: 'FROM scratch' });
    expect(status).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).toContain('See `zlayer build --help`.');
  });

  it.each([
    [['--network=custom', '.'], '--network=custom'],
    [['--add-host', 'h:host-gateway', '.'], '--add-host cannot use host-gateway'],
    [['--sbom=true', '.'], '--sbom'],
    [['-m', '1g', '.'], '-m'],
    [['-f', 'https://example.com/Dockerfile', '.'], '-f cannot be a URL'],
    [['-o', 'type=tar,dest=x,force-compression=true', '.'], 'force-compression'],
  ])('refuses %j as not supported, naming the option', async (args, name) => {
    const { status, stderr } = await errorOf(args);
    expect(status).toBe(3);
    expect(stderr).toContain(name);
    expect(stderr).toContain('[UNSUPPORTED]');
  });

  it.each([['--provenance=false'], ['--sbom=false'], ['--rm'], ['--force-rm=true'], ['--squash=false']])(
    'accepts %s, which asks for what happens anyway',
    async (option) => {
      expect(await requestOf([option, '.'])).toEqual({ context: { kind: 'directory', path: '.' } });
    },
  );

  it('refuses an empty standard input, a terminal, and a file as the context', async () => {
    expect((await errorOf(['-'])).stderr).toContain('Standard input is empty');
    expect((await errorOf(['-'], { stdinIsTerminal: true })).stderr).toContain('Standard input is a terminal.');
    writeFileSync(join(directory, 'Dockerfile'), 'FROM scratch\n');
    const { stderr } = await errorOf(['Dockerfile'], { cwd: directory });
    expect(stderr).toContain('zlayer build -f Dockerfile .');
  });

  it('reads secrets as buildx does', async () => {
    const line = [
      '--secret',
      'id=a,src=f',
      '--secret',
      'id=b,env=B',
      '--secret=id=C',
      '--secret=id=d',
      '--secret',
      'type=env,id=e,src=E',
      '.',
    ];
    expect((await requestOf(line, { env: { C: '1' } })).secrets).toEqual({
      a: { kind: 'file', path: 'f' },
      b: { kind: 'env', name: 'B' },
      C: { kind: 'env', name: 'C' },
      d: { kind: 'file', path: 'd' },
      e: { kind: 'env', name: 'E' },
    });
    for (const [text, message] of [
      ['src=f', 'has no id'],
      ['id=a,source', 'takes key=value'],
      ['id=a,mode=1', 'has no field "mode"'],
      ['id=a,type=x', 'has no type "x"'],
      ['id=a,src=f,env=F', 'both src and env'],
    ]) {
      expect((await errorOf(['--secret', text!, '.'])).stderr).toContain(message);
    }
    expect((await errorOf(['--secret', 'id=a', '--secret', 'id=a', '.'])).stderr).toContain('twice');
  });

  it('finds SSH agents, and refuses keys and missing agents', async () => {
    const socket = join(directory, 'agent');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    try {
      expect((await requestOf(['--ssh', 'default', '.'], { env: { SSH_AUTH_SOCK: socket } })).ssh).toEqual({
        default: socket,
      });
      expect((await requestOf(['--ssh=x=agent', '.'], { cwd: directory })).ssh).toEqual({ x: socket });
    } finally {
      server.close();
    }
    writeFileSync(join(directory, 'key'), 'PRIVATE');
    expect(await errorOf(['--ssh', 'default=key', '.'], { cwd: directory })).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('not the socket of an agent'),
    });
    expect((await errorOf(['--ssh', 'default', '.'])).stderr).toContain('SSH_AUTH_SOCK is not set');
  });
});

describe('parseOutputs()', () => {
  it.each([
    ['-', { kind: 'tar', destination: '-' }],
    ['out/dir', { kind: 'local', destination: 'out/dir' }],
    ['type=local,dest=out', { kind: 'local', destination: 'out' }],
    ['type=tar,dest=r.tar', { kind: 'tar', destination: 'r.tar' }],
    ['type=oci,dest=i.tar', { kind: 'oci', destination: 'i.tar', tar: true }],
    ['type=oci,dest=dir,tar=false', { kind: 'oci', destination: 'dir', tar: false }],
    ['type=oci', { kind: 'oci', destination: '-', tar: true }],
    ['type=oci,compression=none', { kind: 'oci', destination: '-', tar: true, compression: 'none' }],
    ['type=image,compression-level=9', { kind: 'image', push: false, compression: 'gzip', compressionLevel: 9 }],
    ['type=docker', { kind: 'docker', destination: '-' }],
    ['type=image', { kind: 'image', push: false }],
    ['type=cacheonly', { kind: 'cacheonly' }],
    ['type=tar,"dest=a,b.tar"', { kind: 'tar', destination: 'a,b.tar' }],
  ])('reads -o %s', async (text, output) => {
    expect((await requestOf(['-o', text, '.'])).outputs).toEqual([output]);
  });

  it('takes names and pushing from the output', async () => {
    expect(await requestOf(['-o', 'type=registry,"name=a:1,b"', '-t', 'c', '.'])).toMatchObject({
      tags: ['c', 'a:1', 'b'],
      outputs: [{ kind: 'image', push: true }],
    });
  });

  it('keeps the image beside other outputs when it is to be pushed', async () => {
    const { outputs } = await requestOf(['-o', 'out', '--push', '-t', 'a', '.']);
    expect(outputs).toEqual([{ kind: 'local', destination: 'out' }, { kind: 'image' }]);
  });

  it.each([
    ['type=imgae', 'Did you mean "image"?'],
    ['dest=x', 'has no type'],
    ['type=local', 'needs a directory'],
    ['type=oci,tar=false', 'needs a directory'],
    ['type=oci,tar=maybe', 'either true or false'],
    ['type=oci,compression=lz4', 'no compression'],
    ['type=oci,compression=gzip,compression-level=10', 'levels 1 to 9'],
    ['type=tar,quick', 'takes key=value'],
    ['', 'is empty'],
  ])('refuses -o "%s"', async (text, message) => {
    const { status, stderr } = await errorOf(['-o', text, '.']);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  it('refuses a second output on standard output, a terminal, and the image id beside it', async () => {
    expect((await errorOf(['-o', '-', '-o', 'type=oci,dest=-', '.'])).stderr).toContain('Only one --output');
    expect((await errorOf(['-o', '-', '.'], { terminal: { columns: 80, rows: 24 } })).stderr).toContain(
      'would go to a terminal',
    );
    for (const type of ['oci', 'docker', 'tar']) {
      const terminal = { columns: 80, rows: 24 };
      expect((await errorOf(['-o', `type=${type}`, '.'], { terminal })).stderr).toContain('would go to a terminal');
    }
    expect((await errorOf(['-o', '-', '-q', '.'])).stderr).toContain('cannot take both');
  });
});
