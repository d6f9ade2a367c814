import { join } from 'node:path';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuildService, SERVER_NAME } from '../../src/rpc/index.ts';
import { missingForRun } from '../integration/busybox-image.ts';
import { lacksPrograms } from '../support/host.ts';
import { openRegistry, type Registry } from '../support/registry.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { collect } from './collect-events.ts';
import { type DaemonFixture, openDaemon } from './daemon-fixture.ts';
import { writeFiles } from './write-files.ts';

const BASE = 'localhost/busybox:latest';
const lacking = missingForRun() !== undefined || lacksPrograms('test/buildd/old-messages', ['docker-registry']);

let fixture: DaemonFixture;
let registry: Registry;
let directory: string;
let client: Client<typeof BuildService>;

/** Another gRPC library, which knows nothing of ours, and only what the first protocol has: no field from 100 on. */
describe.skipIf(lacking)('a client of the first protocol, with connect-node', () => {
  beforeAll(async () => {
    directory = makeTempDir('old');
    registry = await openRegistry(directory);
    fixture = await openDaemon({
      allow: { contexts: [directory], entitlements: [], secretEnvs: [], sshAgent: false, signIns: false },
    });
    const { ca, cert, key } = await fixture.clientTls();
    const transport = createGrpcTransport({
      baseUrl: `https://${fixture.daemon.address}`,
      nodeOptions: { ca, cert, key, servername: SERVER_NAME, minVersion: 'TLSv1.3' },
    });
    client = createClient(BuildService, transport);
    writeFiles(join(directory, 'context'), {
      Dockerfile: `FROM ${BASE}\nARG WHO\nCOPY file /file\nRUN cat /file; echo for $WHO\n`,
      slow: `FROM ${BASE}\nRUN echo started; sleep 1000; : old\n`,
      file: 'from the host of the daemon\n',
    });
  });
  afterAll(async () => {
    await fixture?.close();
    await registry?.close();
    if (directory !== undefined) await removeTempDir(directory);
  });

  it('inspects and asks for health', async () => {
    const inspected = await client.inspect({});
    expect(inspected).toMatchObject({ sidecarVersion: '1.2.3', storageRoot: fixture.storageRoot });
    expect(inspected.supportedPlatforms[0]).toMatch(/^linux\//);
    expect((await client.health({})).status).toBe(1);
  });

  it('builds, and gets every event of the first protocol', async () => {
    const built = await collect(
      client.build({
        contextDir: join(directory, 'context'),
        dockerfilePaths: [join(directory, 'context/Dockerfile')],
        buildArgs: { WHO: 'old clients' },
        tags: [`${registry.host}/old:1`, 'localhost/old:also'],
        layers: true,
        pullPolicy: 'missing',
        isolation: 'chroot',
      }),
    );
    expect(built.error?.message).toBeUndefined();
    expect(built.lines).toEqual(['from the host of the daemon', 'for old clients']);
    expect(built.cases).toContain('stageStarted');
    expect(built.cases.filter((name) => name === 'instructionFinished')).toHaveLength(2);
    expect(built.cases.at(-1)).toBe('finished');
    expect(built.finished?.imageId).toMatch(/^sha256:/);
  });

  it('cancels a build by the id that it chose', async () => {
    const started = Date.now();
    let answer: Promise<{ readonly cancelled: boolean }> | undefined;
    const built = await collect(
      client.build({
        requestId: 'old',
        contextDir: join(directory, 'context'),
        dockerfilePaths: ['slow'],
        layers: true,
      }),
      ({ event }) => {
        if (event.case === 'log') answer = client.cancel({ requestId: 'old' });
      },
    );
    expect(built.error?.kind).toBe('cancelled');
    expect((await answer)?.cancelled).toBe(true);
    expect((await client.cancel({ requestId: 'old' })).cancelled).toBe(false);
    expect(Date.now() - started).toBeLessThan(60_000);
  });

  it('cancels a build by hanging up', async () => {
    const controller = new AbortController();
    const stream = client.build(
      {
        requestId: 'hang up',
        contextDir: join(directory, 'context'),
        dockerfilePaths: ['slow'],
        layers: true,
        noCache: true,
      },
      { signal: controller.signal },
    );
    await expect(collect(stream)).rejects.toThrow('request_id');
    const second = client.build(
      { requestId: 'hangs-up', contextDir: join(directory, 'context'), dockerfilePaths: ['slow'], layers: true },
      { signal: controller.signal },
    );
    await expect(collect(second, ({ event }) => event.case === 'log' && controller.abort())).rejects.toThrow(
      ConnectError,
    );
    const ended = await untilLogged((line) => line['build'] === 'hangs-up' && line['message'] === 'build failed');
    expect(ended['code']).toBe('CANCELLED');
  });

  it('tags, pushes, and puts manifest lists together', async () => {
    await client.tag({ image: `${registry.host}/old:1`, newTag: `${registry.host}/old:2` });
    const { pushedDigest } = await client.push({
      image: `${registry.host}/old:2`,
      destination: `docker://${registry.host}/old:2`,
    });
    expect(await digestIn(registry, 'old', '2')).toBe(pushedDigest);
    const { listId } = await client.manifestCreate({ name: `${registry.host}/old:list` });
    expect(listId).not.toBe('');
    const { imageDigest } = await client.manifestAdd({
      manifest: `${registry.host}/old:list`,
      image: `${registry.host}/old:1`,
    });
    expect(imageDigest).toMatch(/^sha256:/);
    const pushed = await client.manifestPush({
      name: `${registry.host}/old:list`,
      destination: `docker://${registry.host}/old:list`,
      all: true,
    });
    expect(await digestIn(registry, 'old', 'list')).toBe(pushed.pushedDigest);
  });

  it('gets the status that fits an error', async () => {
    const codeOf = async (work: Promise<unknown>): Promise<Code> =>
      ConnectError.from(await work.catch((error: unknown) => error)).code;
    expect(await codeOf(client.tag({ image: 'localhost/none', newTag: 'localhost/x' }))).toBe(Code.NotFound);
    expect(await codeOf(client.push({ image: 'localhost/old:also', destination: 'oci-archive:///tmp/x' }))).toBe(
      Code.Unimplemented,
    );
    expect(await codeOf(client.push({ image: 'NOT A NAME' }))).toBe(Code.InvalidArgument);
    expect(await codeOf(client.push({ image: 'localhost/old:also', removeSignatures: true }))).toBe(Code.Unimplemented);
  });
});

async function digestIn({ host }: Registry, name: string, tag: string): Promise<string | null> {
  const accept = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.oci.image.index.v1+json'].join(', ');
  const answer = await fetch(`http://${host}/v2/${name}/manifests/${tag}`, { headers: { accept } });
  return answer.headers.get('docker-content-digest');
}

async function untilLogged(matches: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
  for (let round = 0; round < 400; round++) {
    const found = fixture.lines.map((line) => JSON.parse(line) as Record<string, unknown>).find(matches);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('It was never logged.');
}
