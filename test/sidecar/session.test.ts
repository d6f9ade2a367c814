import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BuildError, type RunContext } from '../../src/core/index.ts';
import type { BuildRequest, SessionRequest } from '../../src/rpc/index.ts';
import {
  accepted,
  createSignal,
  type Fixture,
  finished,
  type Implementation,
  observe,
  openFixture,
  printed,
  RESULT,
  type SessionAnswer,
  toEvent,
} from './sidecar-fixture.ts';
import { openTcpLink, type TcpLink } from './tcp-link.ts';

let fixture: Fixture;
let link: TcpLink | undefined;
beforeEach(async () => {
  fixture = await openFixture();
  fixture.write({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'a' });
});
afterEach(async () => {
  await fixture.close();
  await link?.close();
  link = undefined;
});

type Session = (
  first: SessionRequest['message'],
  requests: AsyncIterator<SessionRequest>,
  signal: AbortSignal,
) => AsyncGenerator<SessionAnswer>;

/** A daemon whose sessions are told their first message apart. */
function withSession(session: Session, more: Implementation = {}): Implementation {
  return {
    ...more,
    async *session(requests, { signal }) {
      const iterator = requests[Symbol.asyncIterator]();
      const first = await iterator.next();
      if (first.done !== true) yield* session(first.value.message, iterator, signal);
    },
  };
}

const startOf = (message: SessionRequest['message']): BuildRequest => {
  if (message.case !== 'start') throw new Error(`a start was expected, not ${message.case}`);
  return message.value;
};

/** Cuts the link once the client has seen the first line of a step. */
function cutAfterFirstLog(context: RunContext): RunContext {
  let isCut = false;
  return {
    signal: context.signal,
    emit: (event) => {
      context.emit(event);
      if (event.kind !== 'log' || isCut) return;
      isCut = true;
      link?.cut();
    },
  };
}

const failureOf = (work: Promise<unknown>): Promise<BuildError> =>
  work.then(
    () => expect.unreachable('it did not fail'),
    (error: BuildError) => error,
  );

describe('buildImage()', () => {
  it('sends the Dockerfile that was read, every option, and no secret', async () => {
    const sent = createSignal<BuildRequest>();
    const { address } = await fixture.serve(
      withSession(async function* (first) {
        sent.resolve(startOf(first));
        yield accepted('x');
        yield finished(2);
      }),
    );
    const loaded = await fixture.load({
      tags: ['me/app:1'],
      platform: 'linux/amd64,linux/arm64',
      buildArgs: { A: '1' },
      labels: { 'a.b': 'c=d' },
      annotations: { k: 'v' },
      pull: 'newer',
      secrets: { token: { kind: 'value', value: 'hidden' } },
      addHosts: [{ name: 'db', address: '10.0.0.1' }],
      ulimits: [{ name: 'nofile', soft: 1, hard: 2 }],
      shmSizeBytes: 1024,
      network: 'none',
      noCacheFilter: ['one'],
      sourceDateEpoch: 0,
      squash: true,
      format: 'docker',
      strict: true,
      allow: ['network.host'],
      parallelism: 3,
    });
    // What is built is what was read, whatever the path holds by now.
    fixture.write({ Dockerfile: 'FROM other\n' });
    const result = await fixture.backend(address).buildImage(loaded, observe().context);
    expect(result.digest).toBe(RESULT.digest);
    const message = await sent.promise;
    expect(message).toMatchObject({
      tags: ['me/app:1'],
      platforms: ['linux/amd64', 'linux/arm64'],
      buildArgs: { A: '1' },
      labels: ['a.b=c=d'],
      annotations: ['k=v'],
      pullPolicy: 'ifnewer',
      secrets: [],
      addHosts: ['db:10.0.0.1'],
      ulimits: ['nofile=1:2'],
      shmSize: '1024',
      squash: true,
      layers: true,
      format: 'docker',
      contextDir: '',
    });
    expect(message.extension).toMatchObject({
      contextTree: `sha256:${'1'.repeat(64)}`,
      noCacheFilter: ['one'],
      network: 'none',
      allow: ['network.host'],
      parallelism: 3,
      strict: true,
      secretIds: ['token'],
      epochSet: true,
      planOnly: false,
    });
    expect(Buffer.from(message.extension!.dockerfile!).toString()).toBe('FROM scratch\nCOPY a /\n');
    expect(JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
      'hidden',
    );
  });

  it('answers for a secret when it is asked, and says which it cannot read', async () => {
    const answers: unknown[] = [];
    const { address } = await fixture.serve(
      withSession(async function* (_, requests) {
        yield accepted('x');
        for (const [question, id] of [
          [1n, 'token'],
          [2n, 'gone'],
          [3n, 'unknown'],
        ] as const) {
          yield { message: { case: 'secret', value: { question, id } } };
          const { value } = await requests.next();
          const { found, value: bytes } = value.message.value;
          answers.push([value.message.value.question, found, Buffer.from(bytes).toString()]);
        }
        yield toEvent(2, { case: 'error', value: { code: 'SECRET_MISSING', message: 'The client has no "gone".' } });
      }),
    );
    const missing = join(fixture.root, 'no-such-file');
    const loaded = await fixture.load({
      secrets: { token: { kind: 'value', value: 's3cret' }, gone: { kind: 'file', path: missing } },
    });
    const error = await failureOf(fixture.backend(address).buildImage(loaded, observe().context));
    expect(answers).toEqual([
      [1n, true, 's3cret'],
      [2n, false, ''],
      [3n, false, ''],
    ]);
    expect(error.code).toBe('SECRET_MISSING');
    expect(error.message).toContain(missing);
  });

  it('carries connections to an ssh agent', async () => {
    const path = join(fixture.root, 'agent');
    const agent = createServer((socket) => socket.on('data', (data) => socket.end(`agent got ${data}`)));
    agent.listen(path);
    await once(agent, 'listening');
    const heard = createSignal<string>();
    const { address } = await fixture.serve(
      withSession(async function* (_, requests) {
        yield accepted('x');
        yield { message: { case: 'sshOpen', value: { connection: 7n, id: 'default' } } };
        yield { message: { case: 'sshData', value: { connection: 7n, data: Buffer.from('ping'), end: false } } };
        let text = '';
        for (;;) {
          const { value } = await requests.next();
          const { connection, data, end } = value.message.value;
          expect(connection).toBe(7n);
          text += Buffer.from(data).toString();
          if (end) break;
        }
        heard.resolve(text);
        yield finished(2);
      }),
    );
    const loaded = await fixture.load({ ssh: { default: path } });
    await fixture.backend(address).buildImage(loaded, observe().context);
    expect(await heard.promise).toBe('agent got ping');
    agent.close();
  });

  it('follows a build again after its connection was cut, without starting it twice', async () => {
    const starts: string[] = [];
    const attached: unknown[] = [];
    const { address } = await fixture.serve(
      withSession(async function* (first, _requests, signal) {
        if (first.case === 'start') {
          starts.push(first.value.requestId);
          yield accepted(first.value.requestId);
          yield printed(2, 'one');
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
          link?.restore();
          return;
        }
        if (first.case === 'attach') attached.push([first.value.requestId, first.value.after]);
        // An event that came before the cut is not shown twice.
        yield printed(2, 'one');
        yield printed(3, 'two');
        yield finished(4);
      }),
    );
    link = await openTcpLink(address);
    const { context, events } = observe();
    const result = await fixture.backend(link.address).buildImage(await fixture.load(), cutAfterFirstLog(context));
    expect(result.digest).toBe(RESULT.digest);
    expect(starts).toHaveLength(1);
    expect(attached).toEqual([[starts[0], 2n]]);
    expect(events.flatMap((event) => (event.kind === 'log' ? [event.text] : []))).toEqual(['one', 'two']);
    const warnings = events.flatMap((event) => (event.kind === 'warning' ? [event.code] : []));
    expect(warnings).toEqual(['DAEMON_CONNECTION_LOST']);
  });

  it('starts a build again that the daemon has not heard of', async () => {
    const seen: string[] = [];
    const { address } = await fixture.serve(
      withSession(async function* (first, _requests, signal) {
        seen.push(first.case ?? '');
        if (seen.length === 1) {
          link?.cut();
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
          link?.restore();
          return;
        }
        if (first.case === 'attach') throw new BuildError('BUILD_NOT_FOUND', 'This client has no such build here.');
        yield accepted('x');
        yield finished(2);
      }),
    );
    link = await openTcpLink(address);
    await fixture.backend(link.address).buildImage(await fixture.load(), observe().context);
    expect(seen).toEqual(['start', 'attach', 'start']);
  });

  it('does not start an accepted build again that the daemon has lost', async () => {
    const seen: string[] = [];
    const { address } = await fixture.serve(
      withSession(async function* (first, _requests, signal) {
        seen.push(first.case ?? '');
        if (first.case === 'attach') throw new BuildError('BUILD_NOT_FOUND', 'This client has no such build here.');
        yield accepted('x');
        yield printed(2, 'one');
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
        link?.restore();
      }),
    );
    link = await openTcpLink(address);
    const context = cutAfterFirstLog(observe().context);
    const error = await failureOf(fixture.backend(link.address).buildImage(await fixture.load(), context));
    expect(error.code).toBe('BUILD_NOT_FOUND');
    expect(seen).toEqual(['start', 'attach']);
  });

  it('gives up on a daemon that is gone for too long', async () => {
    const { address } = await fixture.serve(
      withSession(async function* (_, _requests, signal) {
        yield accepted('x');
        link?.cut();
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      }),
    );
    link = await openTcpLink(address);
    const error = await failureOf(fixture.backend(link.address).buildImage(await fixture.load(), observe().context));
    expect(error.code).toBe('BACKEND_UNAVAILABLE');
    expect(error.message).toContain('no connection for 3 seconds');
  });

  it('does not take an error of the build for a lost connection', async () => {
    let sessions = 0;
    const { address } = await fixture.serve(
      withSession(async function* () {
        sessions++;
        yield accepted('x');
        const location = {
          fileName: 'Dockerfile',
          range: { start: { line: 2, column: 1 }, end: { line: 2, column: 9 } },
        };
        const locationJson = Buffer.from(JSON.stringify(location));
        yield toEvent(2, {
          case: 'error',
          value: { code: 'BACKEND_UNAVAILABLE', message: 'native cannot work here.', hint: 'Do.', locationJson },
        });
      }),
    );
    const error = await failureOf(fixture.backend(address).buildImage(await fixture.load(), observe().context));
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: 'native cannot work here.', hint: 'Do.' });
    expect(error.location?.text).toBe('FROM scratch\nCOPY a /\n');
    expect(sessions).toBe(1);
  });

  it('cancels the build on the daemon, and says that it was cancelled', async () => {
    const cancelled: string[] = [];
    const ended = createSignal();
    const started = createSignal<string>();
    const { address } = await fixture.serve(
      withSession(
        async function* (first) {
          const { requestId } = startOf(first);
          yield accepted(requestId);
          started.resolve(requestId);
          await ended.promise;
          yield toEvent(2, { case: 'error', value: { code: 'CANCELLED', message: 'cancelled' } });
        },
        {
          cancel: async ({ requestId }) => {
            cancelled.push(requestId);
            ended.resolve();
            return { cancelled: true };
          },
        },
      ),
    );
    const controller = new AbortController();
    const building = failureOf(
      fixture.backend(address).buildImage(await fixture.load(), observe(controller.signal).context),
    );
    const requestId = await started.promise;
    controller.abort();
    expect((await building).code).toBe('CANCELLED');
    expect(cancelled).toEqual([requestId]);
  });

  it('tells the place in the queue', async () => {
    const { address } = await fixture.serve(
      withSession(async function* () {
        yield accepted('x');
        yield toEvent(2, { case: 'queued', value: { position: 2 } });
        yield finished(3);
      }),
    );
    const { context, events } = observe();
    await fixture.backend(address).buildImage(await fixture.load(), context);
    expect(events).toContainEqual(
      expect.objectContaining({ code: 'BUILD_QUEUED', message: expect.stringContaining('2 other builds') }),
    );
  });

  it('sends sign-ins of the auth files for the images that the build names alone', async () => {
    const auth = (text: string): string => Buffer.from(text).toString('base64');
    const auths = {
      'one.example': { auth: auth('u1:p1') },
      'two.example': { auth: auth('u2:p2') },
      'three.example': { auth: auth('u3:p3') },
    };
    const directory = fixture.write({
      Dockerfile: 'FROM one.example/base AS a\nFROM three.example/base\nCOPY --from=two.example/x:1 /a /\n',
      'docker/config.json': JSON.stringify({ auths }),
    });
    const sent = createSignal<BuildRequest>();
    const { address } = await fixture.serve(
      withSession(async function* (first) {
        sent.resolve(startOf(first));
        yield accepted('x');
        yield finished(2);
      }),
    );
    const loaded = await fixture.load({
      credentials: { 'three.example': { kind: 'bearer', token: 'given' } },
    });
    const backend = fixture.backend(address, { DOCKER_CONFIG: join(directory, 'docker') });
    await backend.buildImage(loaded, observe().context);
    const { credentials } = (await sent.promise).extension!;
    expect(Object.keys(credentials).sort()).toEqual(['three.example', 'two.example/x']);
    expect(credentials['two.example/x']).toMatchObject({ username: 'u2', password: 'p2' });
    expect(credentials['three.example']).toMatchObject({ registryToken: 'given' });
  });
});
