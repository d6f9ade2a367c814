import { create } from '@bufbuild/protobuf';
import { type Client, status } from '@grpc/grpc-js';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BuildError } from '../core/index.ts';
import {
  type BuildEvent,
  BuildEventSchema,
  BuildService,
  type ContentChunkSchema,
  createServiceClient,
  type MessageInput,
  openChannel,
  openServer,
  type RpcServer,
  type ServeOptions,
  type ServiceClient,
  type ServiceImplementation,
  type SessionRequest,
  type SessionRequestSchema,
  serveService,
  statusOf,
} from './index.ts';
import { createTestTls, type TestTls } from './test-tls.ts';

type Implementation = ServiceImplementation<typeof BuildService>;

let tls: TestTls;
let server: RpcServer | undefined;
let channel: Client | undefined;

beforeAll(async () => {
  tls = await createTestTls();
});
afterEach(async () => {
  channel?.close();
  await server?.close({ graceMs: 100 });
});

async function connect(
  implementation: Implementation,
  options: ServeOptions = {},
): Promise<ServiceClient<typeof BuildService>> {
  const services = [serveService(BuildService, implementation, options)];
  server = await openServer(services, { address: '127.0.0.1:0', tls: tls.server });
  channel = openChannel({ address: server.address, tls: tls.client });
  return createServiceClient(channel, BuildService);
}

/** A promise with the function that resolves it. */
function createSignal<T = void>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const failureOf = (work: Promise<unknown>): Promise<BuildError> =>
  work.then(
    () => expect.unreachable('it did not fail'),
    (error: BuildError) => error,
  );

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function* each<T>(...items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

describe('createServiceClient()', () => {
  it('calls a method with fields and gets a message', async () => {
    const client = await connect({ cancel: async ({ requestId }) => ({ cancelled: requestId === 'b1' }) });
    expect((await client.cancel({ requestId: 'b1' })).cancelled).toBe(true);
    expect((await client.cancel({ requestId: 'b2' })).cancelled).toBe(false);
  });

  it('tells the server who calls', async () => {
    const client = await connect({
      health: async (_, { peer, path }) => ({ detail: `${peer.identity} ${peer.serialNumber?.length} ${path}` }),
    });
    expect((await client.health({})).detail).toBe('tester 32 /zlayer.buildah_sidecar.v1.BuildService/Health');
  });

  it('reads a stream in order, slower than it is written', async () => {
    let written = 0;
    const data = Buffer.alloc(256 * 1024, 7);
    const client = await connect({
      async *export() {
        for (; written < 200; written++) yield { data };
      },
    });
    let bytes = 0;
    let ahead = 0;
    let read = 0;
    for await (const chunk of client.export({ image: 'x' })) {
      bytes += chunk.data.length;
      read++;
      ahead = Math.max(ahead, written - read);
    }
    expect(bytes).toBe(200 * data.length);
    // 50 MiB in all; a writer that does not wait would have written them before the first is read.
    expect(ahead).toBeLessThan(100);
  });

  it('sends a stream and gets one answer', async () => {
    const client = await connect({
      uploadContent: async (chunks) => {
        let bytes = 0n;
        for await (const chunk of chunks) bytes += BigInt(chunk.data.length);
        return { bytes, contents: 1n };
      },
    });
    const piece = Buffer.alloc(100_000);
    const answer = await client.uploadContent(each({ data: piece }, { data: piece }, { data: piece, last: true }));
    expect(answer).toMatchObject({ bytes: 300_000n, contents: 1n });
  });

  it('stops sending when the server has answered early', async () => {
    let returned = false;
    const client = await connect({
      uploadContent: async () => {
        throw new BuildError('STORE_FULL', 'No space is left.');
      },
    });
    async function* endless(): AsyncGenerator<{ data: Uint8Array }> {
      try {
        for (;;) yield { data: Buffer.alloc(64 * 1024) };
      } finally {
        returned = true;
      }
    }
    const error = await failureOf(client.uploadContent(endless()));
    expect(error.code).toBe('STORE_FULL');
    expect(returned).toBe(true);
  });

  it('passes on what was thrown while the requests were made', async () => {
    const client = await connect({
      uploadContent: async (chunks) => {
        for await (const _ of chunks);
        return {};
      },
    });
    async function* broken(): AsyncGenerator<MessageInput<typeof ContentChunkSchema>> {
      yield { last: false };
      throw new BuildError('CONTEXT_INVALID', '"a" changed while it was read.');
    }
    expect(await failureOf(client.uploadContent(broken()))).toMatchObject({ code: 'CONTEXT_INVALID' });
  });

  it('talks both ways at once', async () => {
    const client = await connect({
      async *session(requests) {
        for await (const { message } of requests) {
          if (message.case === 'start') yield { message: { case: 'secret', value: { id: 'token', question: 1n } } };
          if (message.case === 'secret') {
            const line = Buffer.from(message.value.value).toString();
            yield { sequence: 1n, message: { case: 'event', value: logEvent(line) } };
            return;
          }
        }
      },
    });
    const asked = createSignal();
    async function* requests(): AsyncGenerator<MessageInput<typeof SessionRequestSchema>> {
      yield { message: { case: 'start', value: {} } };
      await asked.promise;
      yield { message: { case: 'secret', value: { question: 1n, found: true, value: Buffer.from('s3cret') } } };
      // Never ends by itself: the end of the answers must be enough.
      await new Promise(() => undefined);
    }
    const lines: string[] = [];
    for await (const { message } of client.session(requests())) {
      if (message.case === 'secret') asked.resolve();
      if (message.case === 'event' && message.value.event.case === 'log') lines.push(message.value.event.value.line);
    }
    expect(lines).toEqual(['s3cret']);
  });

  it('keeps code, hint, facts and place of an error', async () => {
    const location = { fileName: 'Dockerfile', text: 'RUN false\n', range: range(1) };
    const facts = { vertex: 'v', exitCode: 1, outputTail: ['no'] };
    const client = await connect({
      tag: async () => {
        throw new BuildError('STEP_FAILED', 'RUN false ended with 1 — ✗.', { facts, hint: 'Do not.', location });
      },
    });
    const error = await failureOf(client.tag({}));
    expect(error).toMatchObject({
      code: 'STEP_FAILED',
      message: 'RUN false ended with 1 — ✗.',
      facts,
      hint: 'Do not.',
    });
    expect(error.location).toEqual({ ...location, text: '' });
    expect(statusOf(error)).toBe(status.ABORTED);
  });

  it('leaves out facts that do not fit into a status', async () => {
    const outputTail = Array.from({ length: 500 }, (_, line) => `line ${line} of a long output`);
    const client = await connect({
      tag: async () => {
        throw new BuildError('STEP_FAILED', 'x'.repeat(5000), {
          facts: { vertex: 'v', exitCode: 1, outputTail },
          hint: 'h',
        });
      },
    });
    const error = await failureOf(client.tag({}));
    expect(error).toMatchObject({ code: 'STEP_FAILED', hint: 'h', facts: undefined });
    expect(error.message.length).toBeGreaterThan(1000);
  });

  it('turns an error after the first answers into an error of the stream', async () => {
    const client = await connect({
      async *build() {
        yield logEvent('one');
        throw new BuildError('IMAGE_NOT_FOUND', 'busybox is not there.');
      },
    });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { event } of client.build({})) if (event.case === 'log') seen.push(event.value.line);
    })();
    expect(await failureOf(reading)).toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    expect(seen).toEqual(['one']);
  });

  it('answers UNIMPLEMENTED for a method that the server lacks', async () => {
    const client = await connect({});
    const error = await failureOf(client.prune({}));
    expect(error.code).toBe('UNSUPPORTED');
    expect(statusOf(error)).toBe(status.UNIMPLEMENTED);
  });

  it('cancels a call of each kind by its signal, and the server notices', async () => {
    const gone = { unary: createSignal(), stream: createSignal(), upload: createSignal(), both: createSignal() };
    const untilAborted = (signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    const started = { unary: createSignal(), upload: createSignal() };
    const client = await connect({
      push: async (_, { signal }) => {
        started.unary.resolve();
        await untilAborted(signal);
        gone.unary.resolve();
        return {};
      },
      async *build(_, { signal }) {
        yield logEvent('started');
        await untilAborted(signal);
        gone.stream.resolve();
      },
      uploadContent: async (chunks) => {
        started.upload.resolve();
        await collect(chunks).catch(() => gone.upload.resolve());
        return {};
      },
      async *session(requests) {
        yield { message: { case: 'event', value: logEvent('started') } };
        await collect(requests).catch(() => gone.both.resolve());
      },
    });
    async function* forever<T>(): AsyncGenerator<T> {
      await new Promise(() => undefined);
    }
    const cancelled = { code: 'CANCELLED' };

    const unary = new AbortController();
    const pushing = failureOf(client.push({}, { signal: unary.signal }));
    await started.unary.promise;
    unary.abort();
    expect(await pushing).toMatchObject(cancelled);
    await gone.unary.promise;

    const stream = new AbortController();
    const building = collectUntil(client.build({}, { signal: stream.signal }), () => stream.abort());
    expect(await failureOf(building)).toMatchObject(cancelled);
    await gone.stream.promise;

    const upload = new AbortController();
    const uploading = failureOf(client.uploadContent(forever(), { signal: upload.signal }));
    await started.upload.promise;
    upload.abort();
    expect(await uploading).toMatchObject(cancelled);
    await gone.upload.promise;

    const both = new AbortController();
    const requests = forever<SessionRequest>();
    const session = collectUntil(client.session(requests, { signal: both.signal }), () => both.abort());
    expect(await failureOf(session)).toMatchObject(cancelled);
    await gone.both.promise;
  });

  it('cancels the call when its answers are left early', async () => {
    const left = createSignal();
    const client = await connect({
      async *build() {
        try {
          for (;;) {
            yield logEvent('more');
            await new Promise((resolve) => setImmediate(resolve));
          }
        } finally {
          left.resolve();
        }
      },
    });
    for await (const _ of client.build({})) break;
    await left.promise;
  });

  it('gives up at its deadline', async () => {
    const client = await connect({ health: () => new Promise(() => undefined) });
    const error = await failureOf(client.health({}, { timeoutMs: 50 }));
    expect(error.code).toBe('BACKEND_UNAVAILABLE');
    expect(statusOf(error)).toBe(status.DEADLINE_EXCEEDED);
  });

  it('refuses a message beyond the limit', async () => {
    const client = await connect({ cancel: async () => ({}) });
    const error = await failureOf(client.cancel({ requestId: 'x'.repeat(17 * 1024 * 1024) }));
    expect(statusOf(error)).toBe(status.RESOURCE_EXHAUSTED);
  });

  it('says that there is nobody at the address', async () => {
    const { address, close } = await openServer([], { address: '127.0.0.1:0', tls: tls.server });
    await close({ graceMs: 0 });
    channel = openChannel({ address, tls: tls.client });
    const error = await failureOf(createServiceClient(channel, BuildService).health({}));
    expect(error.code).toBe('BACKEND_UNAVAILABLE');
    expect(statusOf(error)).toBe(status.UNAVAILABLE);
  });
});

describe('serveService()', () => {
  it('asks before each call whether it may be made, and tells its beginning and end', async () => {
    const seen: string[] = [];
    const client = await connect(
      {
        health: async () => ({}),
        async *build() {
          yield logEvent('x');
          throw new BuildError('STORE_FULL', 'full');
        },
      },
      {
        authorize: ({ path }) => {
          if (path.endsWith('/Prune')) throw new BuildError('BACKEND_UNAVAILABLE', 'This certificate was revoked.');
        },
        watch: ({ path }) => {
          const name = path.slice(path.lastIndexOf('/') + 1);
          seen.push(`${name} begins`);
          return (failure) => seen.push(`${name} ${failure === undefined ? 'done' : (failure as BuildError).code}`);
        },
      },
    );
    await client.health({});
    await failureOf(collect(client.build({})));
    expect(seen).toEqual(['Health begins', 'Health done', 'Build begins', 'Build STORE_FULL']);
  });

  it('refuses a call that is not allowed', async () => {
    const client = await connect(
      { prune: async () => ({ freedBytes: 1n }) },
      {
        authorize: () => {
          throw new BuildError('BACKEND_UNAVAILABLE', 'This certificate was revoked.');
        },
      },
    );
    const error = await failureOf(client.prune({}));
    expect(error).toMatchObject({ code: 'BACKEND_UNAVAILABLE', message: 'This certificate was revoked.' });
  });
});

async function collectUntil<T>(items: AsyncIterable<T>, stop: () => void): Promise<void> {
  for await (const _ of items) stop();
}

function logEvent(line: string): BuildEvent {
  return create(BuildEventSchema, { event: { case: 'log', value: { line } } });
}

function range(line: number) {
  return { start: { line, column: 1 }, end: { line, column: 10 } };
}
