import { createHash, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { type BlobId, BuildError, type Digest, digestOf } from '../../src/core/index.ts';
import type { RegistryClientOptions } from '../../src/registry/index.ts';
import { type FaultRegistry, type FaultRegistryOptions, startFaultRegistry } from './fault-registry.ts';
import { createMemoryBlobs, createTestContext } from './memory-sink.ts';
import { createTestClient, failureOf, referenceTo } from './test-client.ts';

const BYTES = randomBytes(400_000);
const UPLOAD = /\/blobs\/uploads\/[^?]/;
const closers: Array<() => Promise<void>> = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setUp(options: FaultRegistryOptions = {}, clientOptions: Partial<RegistryClientOptions> = {}) {
  const registry = await startFaultRegistry(options);
  const { client, sleeps } = createTestClient(clientOptions);
  closers.push(client.close, registry.close);
  const source = createMemoryBlobs();
  const blob = source.put(BYTES);
  const context = createTestContext();
  const reference = referenceTo(registry.host, 'app:1');
  const push = (mountFrom: readonly string[] = [], what: BlobId = blob) =>
    client.pushBlob(reference, what, (id, at) => source.open(id, at), { mountFrom }, context);
  return { registry, client, sleeps, source, blob, reference, context, push };
}

/** What the uploads were, such as `POST`, `PUT 400000`, `PATCH 0-99`. */
function uploads(registry: FaultRegistry): readonly string[] {
  return registry.requests
    .filter(({ path }) => path.includes('/uploads/'))
    .map(({ method, headers, received }) => {
      const detail = headers['content-range'] ?? (method === 'PUT' ? received : '');
      return `${method} ${detail}`.trim();
    });
}

describe('pushBlob()', () => {
  it('sends a blob in one PUT, and tells how far it is', async () => {
    const { registry, push, blob, context } = await setUp();
    expect(await push()).toBe('uploaded');
    expect(registry.blob('app', blob.digest)?.equals(BYTES)).toBe(true);
    expect(uploads(registry)).toEqual(['POST', `PUT ${BYTES.length}`]);
    const last = context.events.filter((event) => event.kind === 'transfer').at(-1);
    expect(last).toMatchObject({ direction: 'push', currentBytes: BYTES.length, totalBytes: BYTES.length, done: true });
  });

  it('pushes a blob of no bytes', async () => {
    const { registry, push, source } = await setUp();
    const empty = source.put('');
    expect(await push([], empty)).toBe('uploaded');
    expect(registry.blob('app', empty.digest)).toHaveLength(0);
  });

  it('names the algorithm of a digest that is not sha256', async () => {
    const { registry, client, reference, context } = await setUp();
    const digest: Digest = `sha512:${createHash('sha512').update(BYTES).digest('hex')}`;
    const open = async function* () {
      yield BYTES;
    };
    await client.pushBlob(reference, { digest, sizeBytes: BYTES.length }, open, {}, context);
    expect(registry.seen('POST')).toEqual(['POST /v2/app/blobs/uploads/?digest-algorithm=sha512']);
    expect(registry.blob('app', digest)).toBeDefined();
  });

  it('skips a blob that is there with one HEAD', async () => {
    const { registry, push, blob } = await setUp();
    registry.putBlob('app', BYTES);
    expect(await push()).toBe('existed');
    expect(registry.seen()).toEqual([`HEAD /v2/app/blobs/${blob.digest}`]);
  });

  it('mounts a blob from a neighbour', async () => {
    const { registry, push, blob } = await setUp();
    registry.putBlob('other', BYTES);
    expect(await push(['app', 'other'])).toBe('mounted');
    expect(registry.seen('POST')).toEqual([
      `POST /v2/app/blobs/uploads/?mount=${encodeURIComponent(blob.digest)}&from=other`,
    ]);
    expect(registry.seen('PUT')).toEqual([]);
  });

  it('uploads at the location of a mount that was not made', async () => {
    const { registry, push } = await setUp({ mountAllowed: false });
    registry.putBlob('other', BYTES);
    expect(await push(['other'])).toBe('uploaded');
    expect(uploads(registry)).toEqual(['POST', `PUT ${BYTES.length}`]);
  });

  it('gives the uploads up that earlier mounts opened', async () => {
    const { registry, push } = await setUp();
    registry.putBlob('third', BYTES);
    expect(await push(['first', 'second', 'third'])).toBe('mounted');
    expect(registry.openUploads()).toBe(0);
  });

  for (const status of [400, 401, 403, 404, 405]) {
    it(`uploads plainly where a mount is answered with ${status}`, async () => {
      const { registry, push } = await setUp();
      registry.inject({ method: 'POST', answer: { status } });
      expect(await push(['other'])).toBe('uploaded');
      expect(uploads(registry)).toEqual(['POST', 'POST', `PUT ${BYTES.length}`]);
    });
  }

  for (const [title, location] of [
    ['relative', (path: string) => path.replace(/^.*\//, '')],
    ['absolute', (path: string, host: string) => `http://${host}${path}`],
    ['with a query', (path: string) => `${path}?_state=a%2Fb==&x=1`],
  ] as const) {
    it(`uses a location that is ${title}`, async () => {
      const { registry, push, blob } = await setUp({ location });
      expect(await push()).toBe('uploaded');
      if (title === 'with a query') {
        expect(registry.seen('PUT')[0]).toContain(`?_state=a%2Fb==&x=1&digest=${encodeURIComponent(blob.digest)}`);
      }
    });
  }

  it('does not send its credentials to a location of another origin', async () => {
    const storage = await startFaultRegistry();
    closers.push(storage.close);
    const auth = { kind: 'basic', username: 'ann', password: 'open-sesame' } as const;
    const { push } = await setUp(
      { auth, location: (path) => `${storage.url}${path}` },
      {
        credentials: { resolve: async () => ({ credentials: { ...auth }, source: 'the test' }) },
      },
    );
    storage.inject({ method: 'PUT', answer: { status: 201 } });
    expect(await push()).toBe('uploaded');
    expect(storage.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it('fails clearly when the registry does not say where to upload', async () => {
    const { registry, push } = await setUp();
    registry.inject({ method: 'POST', answer: { status: 202 } });
    const error = await failureOf(push());
    expect(error.code).toBe('REGISTRY_PROTOCOL');
    expect(error.message).toContain('no Location');
  });

  it('goes on with PATCH from where the registry got it, when the connection was lost', async () => {
    const { registry, push, blob, sleeps } = await setUp();
    registry.inject({ method: 'PUT', path: UPLOAD, cutUploadAfter: 150_000 });
    expect(await push()).toBe('uploaded');
    expect(registry.blob('app', blob.digest)?.equals(BYTES)).toBe(true);
    expect(uploads(registry)).toEqual(['POST', 'PUT 150000', 'GET', 'PATCH 150000-399999', 'PUT 0']);
    expect(sleeps).toEqual([375]);
  });

  it('resumes again and again', async () => {
    const { registry, push, blob } = await setUp();
    registry.inject(
      { method: 'PUT', path: UPLOAD, cutUploadAfter: 150_000 },
      { method: 'PATCH', cutUploadAfter: 100_000 },
      { method: 'PATCH', cutUploadAfter: 100_000 },
    );
    expect(await push()).toBe('uploaded');
    expect(registry.blob('app', blob.digest)?.equals(BYTES)).toBe(true);
  });

  it('begins a new upload where the registry forgot the old one', async () => {
    const { registry, push, blob } = await setUp();
    registry.inject(
      { method: 'PUT', path: UPLOAD, cutUploadAfter: 150_000 },
      { method: 'GET', path: UPLOAD, answer: { status: 404 } },
    );
    expect(await push()).toBe('uploaded');
    expect(registry.blob('app', blob.digest)?.equals(BYTES)).toBe(true);
    expect(registry.seen('POST')).toHaveLength(2);
  });

  it('sees after a lost answer that the blob arrived', async () => {
    const { registry, push } = await setUp();
    registry.inject({ method: 'PUT', change: (answer) => ({ ...answer, drop: true }) });
    expect(await push()).toBe('uploaded');
    expect(registry.seen('PUT')).toHaveLength(1);
  });

  it('goes over to chunks where whole blobs are too large, and halves them until they fit', async () => {
    const { registry, push, blob } = await setUp();
    const tooLarge = { status: 413, headers: { 'content-type': 'text/html' }, body: Buffer.from('<h1>413</h1>') };
    registry.inject({ method: 'PUT', answer: tooLarge }, { method: 'PATCH', answer: tooLarge });
    expect(await push()).toBe('uploaded');
    expect(registry.blob('app', blob.digest)?.equals(BYTES)).toBe(true);
    expect(uploads(registry)).toEqual([
      'POST',
      `PUT ${BYTES.length}`,
      'PATCH 0-399999',
      'PATCH 0-262143',
      'PATCH 262144-399999',
      'PUT 0',
    ]);
  });

  it('sends no chunk smaller than the registry wants', async () => {
    const { registry, push } = await setUp({ chunkMinLength: 350_000 });
    registry.inject({ method: 'PUT', answer: { status: 413 } }, { method: 'PATCH', answer: { status: 413 } });
    expect(await push()).toBe('uploaded');
    expect(uploads(registry).filter((upload) => upload.startsWith('PATCH'))).toEqual([
      'PATCH 0-399999',
      'PATCH 0-349999',
      'PATCH 350000-399999',
    ]);
  });

  it('asks where it is after 416', async () => {
    const { registry, push, blob } = await setUp();
    registry.inject(
      { method: 'PUT', path: UPLOAD, cutUploadAfter: 150_000 },
      {
        method: 'GET',
        path: UPLOAD,
        change: (answer) => ({ ...answer, headers: { ...answer.headers, range: '0-99999' } }),
      },
    );
    expect(await push()).toBe('uploaded');
    expect(registry.blob('app', blob.digest)?.equals(BYTES)).toBe(true);
    expect(uploads(registry)).toEqual([
      'POST',
      'PUT 150000',
      'GET',
      'PATCH 100000-399999',
      'GET',
      'PATCH 150000-399999',
      'PUT 0',
    ]);
  });

  it('goes on from the end of a range that is shorter than the chunk', async () => {
    const { registry, push } = await setUp();
    registry.inject(
      { method: 'PUT', path: UPLOAD, cutUploadAfter: 150_000 },
      { method: 'PATCH', answer: ({ path }) => ({ status: 202, headers: { location: path, range: '0-149999' } }) },
    );
    expect(await push()).toBe('uploaded');
  });

  it('waits as long as a busy registry asks for', async () => {
    const { registry, push, sleeps } = await setUp();
    registry.inject({ method: 'PUT', answer: { status: 429, headers: { 'retry-after': '7' } } });
    expect(await push()).toBe('uploaded');
    expect(sleeps).toEqual([7000]);
  });

  it('sends the whole body again after a login in the middle', async () => {
    const auth = { kind: 'token', expiresIn: 3600 } as const;
    const { registry, push, blob } = await setUp({ auth });
    registry.inject({
      method: 'PUT',
      answer: () => {
        registry.tokens.clear();
        return {
          status: 401,
          headers: {
            'www-authenticate': `Bearer realm="${registry.url}/token",service="s",scope="repository:app:push"`,
          },
        };
      },
    });
    expect(await push()).toBe('uploaded');
    expect(registry.blob('app', blob.digest)?.equals(BYTES)).toBe(true);
    expect(uploads(registry).slice(-2)).toEqual([`PUT ${BYTES.length}`, `PUT ${BYTES.length}`]);
  });

  it('reports bytes that the registry finds to be others', async () => {
    const { registry, client, reference, context, blob } = await setUp();
    const open = async function* () {
      yield Buffer.alloc(BYTES.length);
    };
    const error = await failureOf(client.pushBlob(reference, blob, open, {}, context));
    expect(error.code).toBe('BLOB_DIGEST_MISMATCH');
    expect(error.message).toContain('DIGEST_INVALID');
    expect(registry.blob('app', blob.digest)).toBeUndefined();
  });

  it('reports a source that ends too early as what it is', async () => {
    const { client, reference, context, blob } = await setUp();
    const open = async function* () {
      yield BYTES.subarray(0, 1000);
    };
    const error = await failureOf(client.pushBlob(reference, blob, open, {}, context));
    expect(error.code).toBe('BLOB_MISSING');
    expect(error.message).toContain('399000 bytes too early');
  });

  it('passes an error of the source on', async () => {
    const { client, reference, context } = await setUp();
    const absent = { digest: digestOf('absent'), sizeBytes: 6 };
    const open = async function* () {
      yield Buffer.from('ab');
      throw new BuildError('STORE_CORRUPT', 'the disk is gone');
    };
    expect((await failureOf(client.pushBlob(reference, absent, open, {}, context))).code).toBe('STORE_CORRUPT');
  });

  it('gives the upload up when it is cancelled', async () => {
    const { registry, client, reference, context, blob } = await setUp();
    const open = async function* () {
      yield BYTES.subarray(0, 100_000);
      context.abort();
      yield BYTES.subarray(100_000);
    };
    expect((await failureOf(client.pushBlob(reference, blob, open, {}, context))).code).toBe('CANCELLED');
    expect(registry.openUploads()).toBe(0);
  });

  it('ends after as many failures as it may make attempts', async () => {
    const { registry, push } = await setUp({}, { maxAttempts: 3 });
    registry.inject(
      { method: 'PUT', times: 99, answer: { status: 503 } },
      { method: 'PATCH', times: 99, answer: { status: 503 } },
    );
    const error = await failureOf(push());
    expect(error.code).toBe('REGISTRY_UNAVAILABLE');
    expect(error.message).toContain(`push sha256:`);
    expect(registry.openUploads()).toBe(0);
  });
});
