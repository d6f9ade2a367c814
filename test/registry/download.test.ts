import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/index.ts';
import type { RegistryClientOptions } from '../../src/registry/index.ts';
import { type FaultRegistry, type FaultRegistryOptions, startFaultRegistry } from './fault-registry.ts';
import { createTestContext } from './memory-sink.ts';
import { collect, createTestClient, failureOf, referenceTo } from './test-client.ts';

const BYTES = randomBytes(300_000);
const closers: Array<() => Promise<void>> = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setUp(options: FaultRegistryOptions = {}, clientOptions: Partial<RegistryClientOptions> = {}) {
  const registry = await startFaultRegistry(options);
  const { client, sleeps } = createTestClient(clientOptions);
  closers.push(client.close, registry.close);
  const blob = registry.putBlob('app', BYTES);
  const reference = referenceTo(registry.host, 'app:1');
  const context = createTestContext();
  const download = () => collect(client.fetchBlob(reference, blob, context));
  return { registry, client, sleeps, blob, reference, context, download };
}

function blobRanges(registry: FaultRegistry): ReadonlyArray<string | undefined> {
  return registry.requests
    .filter(({ path, method }) => method === 'GET' && path.includes('/blobs/'))
    .map(({ headers }) => headers.range);
}

describe('fetchBlob()', () => {
  it('streams the bytes and tells how far it is', async () => {
    const { download, context, blob } = await setUp();
    expect((await download()).equals(BYTES)).toBe(true);
    const transfers = context.events.filter((event) => event.kind === 'transfer');
    expect(transfers[0]).toMatchObject({ direction: 'pull', currentBytes: 0, totalBytes: BYTES.length, done: false });
    expect(transfers.at(-1)).toMatchObject({ currentBytes: BYTES.length, done: true });
    expect(transfers[0]?.name).toBe(blob.digest.slice(0, 19));
  });

  it('fetches a blob of no bytes', async () => {
    const { client, registry, reference, context } = await setUp();
    const empty = registry.putBlob('app', '');
    expect(await collect(client.fetchBlob(reference, empty, context))).toHaveLength(0);
  });

  it('resumes by Range after the connection was cut, and joins the parts', async () => {
    const { registry, download, sleeps } = await setUp();
    registry.inject(
      { path: /blobs/, change: (answer) => ({ ...answer, cutAfter: 100_000 }) },
      { path: /blobs/, change: (answer) => ({ ...answer, cutAfter: 50_000 }) },
    );
    expect((await download()).equals(BYTES)).toBe(true);
    const ranges = blobRanges(registry);
    expect(ranges).toHaveLength(3);
    expect(ranges[0]).toBeUndefined();
    expect(Number(/^bytes=(\d+)-$/.exec(ranges[2] ?? '')?.[1])).toBeGreaterThan(0);
    expect(sleeps).toHaveLength(2);
  });

  it('begins again where the registry ignores Range', async () => {
    const { registry, download } = await setUp();
    registry.inject(
      { path: /blobs/, change: (answer) => ({ ...answer, cutAfter: 100_000 }) },
      { path: /blobs/, answer: { status: 200, body: BYTES } },
    );
    expect((await download()).equals(BYTES)).toBe(true);
  });

  it('takes the whole blob where the registry refuses the range with 416', async () => {
    const { registry, download } = await setUp();
    registry.inject(
      { path: /blobs/, change: (answer) => ({ ...answer, cutAfter: 100_000 }) },
      { path: /blobs/, answer: { status: 416 } },
    );
    expect((await download()).equals(BYTES)).toBe(true);
    expect(blobRanges(registry)).toEqual([undefined, expect.stringMatching(/^bytes=/), undefined]);
  });

  it('refuses a range that is not the one asked for', async () => {
    const { registry, download } = await setUp();
    const wrong = {
      status: 206,
      headers: { 'content-range': `bytes 200000-299999/300000` },
      body: BYTES.subarray(200_000),
    };
    registry.inject(
      { path: /blobs/, change: (answer) => ({ ...answer, cutAfter: 100_000 }) },
      { path: /blobs/, answer: wrong },
    );
    expect((await failureOf(download())).code).toBe('REGISTRY_PROTOCOL');
  });

  it('takes an answer that ends early, but properly, as a lost connection', async () => {
    const { registry, download } = await setUp();
    const short = { status: 200, headers: { 'transfer-encoding': 'chunked' }, body: BYTES.subarray(0, 70_000) };
    registry.inject({ path: /blobs/, answer: short });
    expect((await download()).equals(BYTES)).toBe(true);
    expect(blobRanges(registry)).toEqual([undefined, 'bytes=70000-']);
  });

  it('gives up after as many failures without progress as it may make attempts', async () => {
    const { registry, download, sleeps } = await setUp({}, { maxAttempts: 3 });
    registry.inject({ path: /blobs/, times: 100, change: (answer) => ({ ...answer, cutAfter: 10 }) });
    const error = await failureOf(download());
    expect(error.code).toBe('REGISTRY_UNAVAILABLE');
    expect(error.message).toContain(registry.host);
    expect(error.message).toContain('fetch sha256:');
    expect(blobRanges(registry)).toHaveLength(3);
    expect(sleeps).toHaveLength(2);
  });

  it('never gives the last chunk out when the digest is wrong', async () => {
    const { client, registry, reference, context, blob } = await setUp();
    const wrong = Buffer.from(BYTES);
    wrong[0]! ^= 1;
    registry.inject({ path: /blobs/, answer: { status: 200, body: wrong } });
    const got: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of client.fetchBlob(reference, blob, context)) got.push(chunk);
    })();
    const error = await failureOf(reading);
    expect(error.code).toBe('BLOB_DIGEST_MISMATCH');
    expect(error.facts).toMatchObject({ expected: blob.digest });
    expect(Buffer.concat(got).length).toBeLessThan(BYTES.length);
  });

  it('verifies what was joined, not the parts', async () => {
    const { registry, download } = await setUp();
    const wrong = Buffer.from(BYTES);
    wrong[5]! ^= 1;
    registry.inject({ path: /blobs/, answer: { status: 200, body: wrong, cutAfter: 100_000 } });
    expect((await failureOf(download())).code).toBe('BLOB_DIGEST_MISMATCH');
  });

  it('stops at more bytes than the blob has', async () => {
    const { registry, download } = await setUp();
    registry.inject({ path: /blobs/, answer: { status: 200, body: Buffer.concat([BYTES, BYTES]) } });
    expect((await failureOf(download())).code).toBe('BLOB_DIGEST_MISMATCH');
  });

  it('tells a missing blob as not found', async () => {
    const { client, reference, context } = await setUp();
    const absent = { digest: `sha256:${'0'.repeat(64)}`, sizeBytes: 1 } as const;
    expect((await failureOf(collect(client.fetchBlob(reference, absent, context)))).code).toBe('IMAGE_NOT_FOUND');
  });

  it('follows a redirect to another origin without its credentials, and verifies what comes', async () => {
    const storage = await startFaultRegistry();
    closers.push(storage.close);
    const auth = { kind: 'basic', username: 'ann', password: 'open-sesame' } as const;
    const login = { kind: 'basic', username: 'ann', password: 'open-sesame' } as const;
    const { registry, download } = await setUp({ auth }, { login } as Partial<RegistryClientOptions>);
    storage.inject({ answer: { status: 200, body: BYTES, cutAfter: 90_000 } });
    storage.inject({ answer: { status: 200, body: BYTES } });
    const elsewhere = { status: 307, headers: { location: `${storage.url}/storage/blob?X-Amz-Signature=abc` } };
    // The first request is the one that is refused for want of credentials.
    registry.inject({ path: /blobs/, after: 1, times: 2, answer: elsewhere });
    expect((await download()).equals(BYTES)).toBe(true);
    const withAuthorization = registry.requests.filter(({ headers }) => headers.authorization !== undefined);
    expect(withAuthorization.length).toBeGreaterThan(0);
    expect(storage.requests).toHaveLength(2);
    expect(storage.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    expect(storage.requests[1]?.headers.range).toMatch(/^bytes=\d+-$/);
  });

  it('gives up on redirects without end', async () => {
    const { registry, download } = await setUp();
    registry.inject({
      path: /blobs/,
      times: 100,
      answer: { status: 302, headers: { location: '/v2/app/blobs/round' } },
    });
    expect((await failureOf(download())).message).toContain('redirects without end');
  });

  it('ends at once when it is cancelled in the middle, and frees its place', async () => {
    const { client, registry, reference, blob, context } = await setUp({}, { parallelTransfers: 1 });
    registry.inject({ path: /blobs/, change: (answer) => ({ ...answer, stallAfter: 150_000 }) });
    const reading = (async () => {
      for await (const _ of client.fetchBlob(reference, blob, context)) context.abort();
    })();
    expect((await failureOf(reading)).code).toBe('CANCELLED');
    expect(await collect(client.fetchBlob(reference, blob, createTestContext()))).toHaveLength(BYTES.length);
  });

  it('takes a transfer that stands still as lost', async () => {
    const { registry, download } = await setUp({}, { timeouts: { idleMs: 150 } });
    registry.inject({ path: /blobs/, change: (answer) => ({ ...answer, stallAfter: 150_000 }) });
    expect((await download()).equals(BYTES)).toBe(true);
    expect(blobRanges(registry)).toHaveLength(2);
  });

  it('moves as many blobs at once as it may, and no more', async () => {
    const { client, registry, reference, context } = await setUp({}, { parallelTransfers: 2 });
    const blobs = ['one', 'two', 'three'].map((text) => registry.putBlob('app', text));
    const streams = blobs.map((blob) => client.fetchBlob(reference, blob, context)[Symbol.asyncIterator]());
    const [first, second, third] = streams.map((stream) => stream.next());
    await Promise.all([first, second]);
    expect(registry.seen('GET')).toHaveLength(2);
    await streams[0]?.return?.();
    expect((await third)?.value?.toString()).toBe('three');
    expect(registry.seen('GET')).toHaveLength(3);
  });
});

describe('mirrors', () => {
  async function withMirror(kind: 'working' | 'broken' | 'lying') {
    const mirror = await startFaultRegistry();
    closers.push(mirror.close);
    const origin = await startFaultRegistry();
    closers.push(origin.close);
    const { client } = createTestClient({
      hosts: { [origin.host]: { mirrors: [`${mirror.url}/copies`] } },
      maxAttempts: 2,
    });
    closers.push(client.close);
    const blob = origin.putBlob('app', BYTES);
    const document = { schemaVersion: 2, config: {}, layers: [] };
    const type = 'application/vnd.oci.image.manifest.v1+json';
    origin.putManifest('app', '1', document, type);
    if (kind === 'working') {
      mirror.putBlob('copies/app', BYTES);
      mirror.putManifest('copies/app', '1', document, type);
    }
    const wrong = Buffer.from(BYTES).fill(1);
    if (kind === 'lying') mirror.inject({ path: /blobs/, times: 9, answer: { status: 200, body: wrong } });
    if (kind === 'broken') mirror.inject({ times: 99, answer: { status: 503 } });
    return { mirror, origin, client, blob, reference: referenceTo(origin.host, 'app:1') };
  }

  it('are asked first, below their path', async () => {
    const { mirror, origin, client, blob, reference } = await withMirror('working');
    const context = createTestContext();
    await client.fetchManifest(reference, context);
    expect((await collect(client.fetchBlob(reference, blob, context))).equals(BYTES)).toBe(true);
    expect(mirror.seen()).toEqual(['GET /v2/copies/app/manifests/1', `GET /v2/copies/app/blobs/${blob.digest}`]);
    expect(origin.seen()).toEqual([]);
  });

  it('give way to the registry itself when they are broken', async () => {
    const { client, blob, reference } = await withMirror('broken');
    const context = createTestContext();
    expect((await client.resolve(reference, context)).size).toBeGreaterThan(0);
    expect((await collect(client.fetchBlob(reference, blob, context))).equals(BYTES)).toBe(true);
  });

  it('take over from one another in the middle of a blob, the registry itself last', async () => {
    const mirrors = [await startFaultRegistry(), await startFaultRegistry()];
    const origin = await startFaultRegistry();
    const [first, second] = mirrors as [FaultRegistry, FaultRegistry];
    const { client } = createTestClient({
      hosts: { [origin.host]: { mirrors: ['127.0.0.1:1', first.url, second.url] } },
      maxAttempts: 2,
    });
    closers.push(client.close, origin.close, ...mirrors.map(({ close }) => close));
    for (const registry of [...mirrors, origin]) registry.putBlob('app', BYTES);
    const cut = Math.floor(BYTES.length / 3);
    for (const registry of mirrors) {
      registry.inject({ path: /blobs/, change: (answer) => ({ ...answer, cutAfter: cut }) });
      registry.inject({ path: /blobs/, times: 9, answer: { status: 503 } });
    }
    const blob = { digest: digestOf(BYTES), sizeBytes: BYTES.length };
    const reference = referenceTo(origin.host, 'app:1');
    expect((await collect(client.fetchBlob(reference, blob, createTestContext()))).equals(BYTES)).toBe(true);
    const ranges = [first, second, origin].map(
      ({ requests }) => requests.find(({ path }) => path !== '/v2/')?.headers.range,
    );
    expect(ranges).toEqual([undefined, `bytes=${cut}-`, `bytes=${2 * cut}-`]);
  });

  it('are not asked again when they sent wrong bytes', async () => {
    const { mirror, client, blob, reference } = await withMirror('lying');
    const context = createTestContext();
    expect((await failureOf(collect(client.fetchBlob(reference, blob, context)))).code).toBe('BLOB_DIGEST_MISMATCH');
    const asked = mirror.requests.length;
    expect((await collect(client.fetchBlob(reference, blob, context))).equals(BYTES)).toBe(true);
    expect(mirror.requests).toHaveLength(asked);
  });

  it('are not pushed to', async () => {
    const { mirror, origin, client, reference } = await withMirror('working');
    const bytes = Buffer.from('new');
    const blob = { digest: `sha256:${'0'.repeat(64)}`, sizeBytes: 3 } as const;
    await client.hasBlob(reference, blob, createTestContext());
    await client.pushBlob(
      reference,
      origin.putBlob('x', bytes),
      async function* () {
        yield bytes;
      },
      {},
      createTestContext(),
    );
    expect(mirror.requests).toEqual([]);
    expect(origin.seen('PUT')).toHaveLength(1);
  });
});
