import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createServiceClient,
  Health,
  openChannel,
  HealthCheckResponse_ServingStatus as Status,
} from '../../src/rpc/index.ts';
import { missingForRun } from '../integration/busybox-image.ts';
import { lacksPrograms } from '../support/host.ts';
import { openRegistry } from '../support/registry.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { collect } from './collect-events.ts';
import { type DaemonFixture, openDaemon } from './daemon-fixture.ts';
import { openSlowRegistry } from './slow-registry.ts';

const BASE = 'localhost/busybox:latest';
const lacking = missingForRun();
if (lacking !== undefined) process.stderr.write(`SKIPPED test/buildd/lifecycle: ${lacking}\n`);

let fixture: DaemonFixture | undefined;
afterEach(async () => {
  await fixture?.close();
  fixture = undefined;
});

const text = (dockerfile: string) => ({ layers: true, extension: { dockerfile: Buffer.from(dockerfile) } });
const isEnded = async (daemon: DaemonFixture, withinMs: number): Promise<boolean> =>
  Promise.race([
    daemon.daemon.ended.then(() => true),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), withinMs)),
  ]);

describe('idle exit', () => {
  it('comes after the time without work, whoever asks how it is', async () => {
    fixture = await openDaemon({ idleMs: 300 });
    const channel = openChannel({ address: fixture.daemon.address, tls: await fixture.clientTls() });
    const health = createServiceClient(channel, Health);
    const asking = setInterval(() => void health.check({}).catch(() => undefined), 50);
    expect(await isEnded(fixture, 10_000)).toBe(true);
    clearInterval(asking);
    channel.close();
    expect(fixture.lines.map((line) => JSON.parse(line) as object)).toContainEqual(
      expect.objectContaining({ message: 'stopping', why: 'idle' }),
    );
  });

  it.skipIf(lacking !== undefined)('waits for builds and for the queue', async () => {
    fixture = await openDaemon({ idleMs: 1500, maxConcurrent: 1 });
    const client = await fixture.connect();
    const builds = ['a', 'b', 'c'].map((name) =>
      collect(client.build(text(`FROM ${BASE}\nRUN sleep 0.4; echo ${name}\n`))),
    );
    const ended = await Promise.all(builds);
    expect(ended.map(({ lines }) => lines)).toEqual([['a'], ['b'], ['c']]);
    expect(await isEnded(fixture, 10_000)).toBe(true);
  });

  it.skipIf(lacksPrograms('test/buildd/lifecycle', ['docker-registry']))(
    'waits for a push to a slow registry',
    async () => {
      const directory = makeTempDir('registry');
      const registry = await openRegistry(directory);
      const slow = await openSlowRegistry(registry.host);
      fixture = await openDaemon({ idleMs: 1500 });
      const client = await fixture.connect();
      const name = `${slow.host}/pushed:1`;
      const push = client.build({ ...text(`FROM ${BASE}\nENV A=1\n`), tags: [name] });
      const built = await collect(push);
      const pushed = client.push({ image: name });
      await slow.held;
      expect(await isEnded(fixture, 4000)).toBe(false);
      slow.release();
      const { pushedDigest, receipt } = await pushed;
      const result = JSON.parse(Buffer.from(built.finished!.resultJson).toString()) as { digest: string };
      expect(receipt?.reference).toBe(name);
      expect(pushedDigest).toMatch(/^sha256:/);
      expect(result.digest).toMatch(/^sha256:/);
      const answer = await fetch(`http://${registry.host}/v2/pushed/manifests/1`, {
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      });
      expect(answer.headers.get('docker-content-digest')).toBe(pushedDigest);
      expect(await isEnded(fixture, 10_000)).toBe(true);
      await slow.close();
      await registry.close();
      await removeTempDir(directory);
    },
  );
});

describe.skipIf(lacking !== undefined)('stop()', () => {
  it('lets a running build end and takes no new one', async () => {
    fixture = await openDaemon({ graceMs: 20_000 });
    const client = await fixture.connect();
    let stopping: Promise<void> | undefined;
    let refused: Promise<unknown> | undefined;
    const built = await collect(
      client.build(text(`FROM ${BASE}\nRUN echo started; sleep 0.7; echo ended\n`)),
      ({ event }) => {
        if (event.case !== 'log' || event.value.line !== 'started') return;
        stopping = fixture!.daemon.stop('test');
        refused = collect(client.build(text('FROM scratch\n'))).catch((error: unknown) => error);
      },
    );
    expect(built.lines).toEqual(['started', 'ended']);
    expect(built.finished).toBeDefined();
    expect(await refused).toMatchObject({ code: 'DAEMON_STOPPING' });
    await stopping;
  });

  it('cancels what does not end in time, and leaves nothing behind', async () => {
    fixture = await openDaemon({ graceMs: 100 });
    const client = await fixture.connect();
    let stopping: Promise<void> | undefined;
    const built = await collect(
      client.build(text(`FROM ${BASE}\nRUN echo started; sleep 1000; : cancelled\n`)),
      ({ event }) => {
        if (event.case === 'log') stopping = fixture!.daemon.stop('test');
      },
    );
    expect(built.error).toMatchObject({ code: 'CANCELLED', message: 'The build was cancelled: the daemon was ended.' });
    await stopping;
    const temporary = join(fixture.storageRoot, 'zlayer/tmp');
    const left = existsSync(temporary)
      ? readdirSync(temporary, { recursive: true }).filter((name) => String(name).includes('buildd'))
      : [];
    expect(left).toEqual([]);
    expect(readdirSync(join(fixture.storageRoot, 'buildd/contexts/0'))).not.toContain('lock');
  });
});

describe('the health service', () => {
  it('answers for the server and for the service by its right name', async () => {
    fixture = await openDaemon();
    const channel = openChannel({ address: fixture.daemon.address, tls: await fixture.clientTls() });
    const health = createServiceClient(channel, Health);
    expect((await health.check({})).status).toBe(Status.SERVING);
    expect((await health.check({ service: 'zlayer.buildah_sidecar.v1.BuildService' })).status).toBe(Status.SERVING);
    await expect(health.check({ service: 'zlayer.buildd.v1.BuildService' })).rejects.toThrow('no service');
    const seen: number[] = [];
    for await (const { status } of health.watch({})) {
      seen.push(status);
      if (seen.length === 1) void fixture.daemon.stop('test');
      else break;
    }
    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
    channel.close();
  });
});

describe.skipIf(lacking !== undefined)('the queue', () => {
  it('cancels a build that waits', async () => {
    fixture = await openDaemon({ maxConcurrent: 1 });
    const client = await fixture.connect();
    const slow = collect(client.build(text(`FROM ${BASE}\nRUN sleep 1; : first\n`)));
    const waiting = await collect(client.build({ ...text('FROM scratch\n'), requestId: 'waiting' }), ({ event }) => {
      if (event.case === 'queued') void client.cancel({ requestId: 'waiting' });
    });
    expect(waiting.cases).toEqual(['accepted', 'queued', 'error']);
    expect(waiting.error?.code).toBe('CANCELLED');
    expect((await slow).finished).toBeDefined();
  });
});
