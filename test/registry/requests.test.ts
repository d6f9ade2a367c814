import { afterEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/index.ts';
import { MEDIA_TYPES } from '../../src/oci/index.ts';
import type { RegistryClientOptions } from '../../src/registry/index.ts';
import { type FaultRegistryOptions, startFaultRegistry } from './fault-registry.ts';
import { createTestContext } from './memory-sink.ts';
import { createTestClient, failureOf, referenceTo } from './test-client.ts';

const DOCUMENT = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config: {}, layers: [], 'x-own': [1, 2] };
const closers: Array<() => Promise<void>> = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setUp(options: FaultRegistryOptions = {}, clientOptions: Partial<RegistryClientOptions> = {}) {
  const registry = await startFaultRegistry(options);
  const { client, sleeps } = createTestClient(clientOptions);
  closers.push(client.close, registry.close);
  const stored = registry.putManifest('app', '1', DOCUMENT, MEDIA_TYPES.ociManifest);
  const context = createTestContext();
  return { registry, client, sleeps, context, reference: referenceTo(registry.host, 'app:1'), stored };
}

describe('retries', () => {
  for (const status of [408, 429, 500, 502, 503, 504]) {
    it(`asks again after ${status}`, async () => {
      const { registry, client, reference, context, sleeps } = await setUp();
      registry.inject({ path: /manifests/, times: 2, answer: { status } });
      await client.fetchManifest(reference, context);
      expect(sleeps).toEqual([375, 750]);
    });
  }

  it('asks again after a dropped connection, and after one cut in the body', async () => {
    const { registry, client, reference, context, sleeps } = await setUp();
    registry.inject(
      { path: /manifests/, answer: { status: 200, drop: true } },
      { path: /manifests/, change: (answer) => ({ ...answer, cutAfter: 5 }) },
    );
    await client.fetchManifest(reference, context);
    expect(sleeps).toHaveLength(2);
  });

  it('waits as long as Retry-After says, in seconds or as a date', async () => {
    const { registry, client, reference, context, sleeps } = await setUp();
    const inTenSeconds = new Date(1_700_000_000_000 + 3_000 + 10_000).toUTCString();
    registry.inject(
      { path: /manifests/, answer: { status: 429, headers: { 'retry-after': '3' } } },
      { path: /manifests/, answer: { status: 503, headers: { 'retry-after': inTenSeconds } } },
    );
    await client.fetchManifest(reference, context);
    expect(sleeps).toEqual([3000, 10_000]);
  });

  it('tells the user rather than to wait for an hour', async () => {
    const { registry, client, reference, context, sleeps } = await setUp();
    registry.inject({ path: /manifests/, answer: { status: 429, headers: { 'retry-after': '3600' } } });
    const error = await failureOf(client.fetchManifest(reference, context));
    expect(error.code).toBe('REGISTRY_RATE_LIMITED');
    expect(error.hint).toContain('3600 seconds');
    expect(sleeps).toEqual([]);
  });

  it.each([
    [
      { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' },
      'It allows 100 requests in 6 hours; 0 are left.',
    ],
    [{ 'ratelimit-limit': '10', 'ratelimit-reset': '9' }, 'It allows 10 requests.'],
  ])('tells what limit the registry names in %j', async (headers, sentence) => {
    const { registry, client, reference, context } = await setUp();
    registry.inject({ path: /manifests/, times: 9, answer: { status: 429, headers } });
    expect((await failureOf(client.fetchManifest(reference, context))).hint).toContain(sentence);
  });

  it('ends after the attempts allowed, with the last answer in the error', async () => {
    const { registry, client, reference, context } = await setUp({}, { maxAttempts: 3 });
    registry.inject({
      path: /manifests/,
      times: 99,
      answer: { status: 500, headers: { 'content-type': 'text/plain' }, body: Buffer.from('out of\n order') },
    });
    const error = await failureOf(client.fetchManifest(reference, context));
    expect(error.code).toBe('REGISTRY_UNAVAILABLE');
    expect(error.message).toContain(`${registry.host} answered 500, "out of order" to GET /v2/app/manifests/1`);
    expect(registry.seen()).toHaveLength(3);
  });

  it('stops when it is cancelled while it waits', async () => {
    const { registry, client, reference, context } = await setUp();
    registry.inject({
      path: /manifests/,
      times: 99,
      answer: () => {
        context.abort();
        return { status: 503 };
      },
    });
    expect((await failureOf(client.fetchManifest(reference, context))).code).toBe('CANCELLED');
    expect(registry.seen()).toHaveLength(1);
  });

  it('names a host where nothing listens', async () => {
    const { registry, client, context } = await setUp();
    await registry.close();
    closers.pop();
    const error = await failureOf(client.fetchManifest(referenceTo(registry.host, 'app:1'), context));
    expect(error.code).toBe('REGISTRY_UNAVAILABLE');
    expect(error.message).toContain(`Could not reach ${registry.host}`);
    expect(error.message).toContain('ECONNREFUSED');
  });
});

describe('errors', () => {
  const refusal = {
    errors: [
      { code: 'TAG_INVALID', message: 'not \u001b[31mso', detail: { tag: 'x', password: 'pw-123456' } },
      { code: 'X' },
    ],
  };

  it('show the code and message of the registry, without control characters and secrets', async () => {
    const { registry, client, reference, context } = await setUp();
    registry.inject({ path: /manifests/, answer: { status: 418, body: Buffer.from(JSON.stringify(refusal)) } });
    const error = await failureOf(client.fetchManifest(reference, context));
    expect(error.code).toBe('REGISTRY_PROTOCOL');
    expect(error.message).toContain('TAG_INVALID: not [31mso');
    expect(error.message).not.toContain('\u001b');
    expect(error.message).not.toContain('pw-123456');
  });

  it('survive a body that is HTML, or is cut', async () => {
    const { registry, client, reference, context } = await setUp();
    registry.inject(
      {
        path: /manifests/,
        answer: { status: 403, headers: { 'content-type': 'text/html' }, body: Buffer.from('<html>no') },
      },
      { path: /manifests/, answer: { status: 403, body: Buffer.alloc(1000, 'x'), cutAfter: 10 } },
    );
    for (let time = 0; time < 2; time += 1) {
      const error = await failureOf(client.fetchManifest(reference, context));
      expect(error.code).toBe('REGISTRY_DENIED');
      expect(error.message).toContain('answered 403 to GET');
    }
  });

  it('tell a host that is no registry', async () => {
    const { registry, client, context } = await setUp();
    registry.inject({ times: 9, answer: { status: 404 } });
    const error = await failureOf(client.ping(registry.host, context));
    expect(error.code).toBe('REGISTRY_PROTOCOL');
    expect(error.hint).toContain('is a container registry');
  });

  it('pass warnings of the registry on, each once', async () => {
    const { registry, client, reference, context } = await setUp();
    const warn = {
      path: /manifests/,
      times: 2,
      change: (answer: { status: number }) => ({
        ...answer,
        headers: { ...(answer as { headers?: object }).headers, warning: '299 - "old \\"API\\""' },
      }),
    };
    registry.inject(warn);
    await client.fetchManifest(reference, context);
    await client.fetchManifest(reference, context);
    expect(context.events.filter((event) => event.kind === 'warning').map((event) => event.message)).toEqual([
      `${registry.host}: old "API"`,
    ]);
  });
});

describe('fetchManifest()', () => {
  it('gives the exact bytes, the type without parameters, and the digest', async () => {
    const { registry, client, reference, context, stored } = await setUp();
    registry.inject({
      path: /manifests/,
      change: (answer) => ({ ...answer, headers: { 'content-type': `${MEDIA_TYPES.ociManifest}; charset=utf-8` } }),
    });
    const fetched = await client.fetchManifest(reference, context);
    expect(fetched.descriptor).toEqual({ mediaType: MEDIA_TYPES.ociManifest, ...stored });
    expect(fetched.bytes.toString()).toBe(JSON.stringify(DOCUMENT));
    const accept = registry.requests.at(-1)?.headers.accept;
    for (const type of [
      MEDIA_TYPES.ociIndex,
      MEDIA_TYPES.ociManifest,
      MEDIA_TYPES.dockerIndex,
      MEDIA_TYPES.dockerManifest,
    ])
      expect(accept).toContain(type);
  });

  it('asks for the digest of a reference that has a tag, too', async () => {
    const { registry, client, reference, context, stored } = await setUp();
    await client.fetchManifest({ ...reference, digest: stored.digest }, context);
    expect(registry.seen()).toEqual([`GET /v2/app/manifests/${stored.digest}`]);
  });

  it('refuses other bytes than the digest names', async () => {
    const { registry, client, reference, context } = await setUp();
    const digest = digestOf('another');
    registry.inject({
      path: /manifests/,
      answer: {
        status: 200,
        headers: { 'content-type': MEDIA_TYPES.ociManifest },
        body: Buffer.from('{"schemaVersion":2}'),
      },
    });
    expect((await failureOf(client.fetchManifest({ ...reference, digest }, context))).code).toBe(
      'BLOB_DIGEST_MISMATCH',
    );
  });

  it('refuses bytes that contradict Docker-Content-Digest', async () => {
    const { registry, client, reference, context } = await setUp();
    registry.inject({
      path: /manifests/,
      change: (answer) => ({ ...answer, headers: { ...answer.headers, 'docker-content-digest': digestOf('x') } }),
    });
    expect((await failureOf(client.fetchManifest(reference, context))).code).toBe('BLOB_DIGEST_MISMATCH');
  });

  it('refuses a document that contradicts its Content-Type', async () => {
    const { registry, client, reference, context } = await setUp();
    registry.putManifest('app', '1', { ...DOCUMENT, mediaType: MEDIA_TYPES.dockerManifest }, MEDIA_TYPES.ociManifest);
    expect((await failureOf(client.fetchManifest(reference, context))).code).toBe('REGISTRY_PROTOCOL');
  });

  it('takes the type from the document where the registry sends a general one', async () => {
    const { registry, client, reference, context } = await setUp();
    registry.putManifest('app', '1', { schemaVersion: 2, manifests: [] }, 'application/json');
    expect((await client.fetchManifest(reference, context)).descriptor.mediaType).toBe(MEDIA_TYPES.ociIndex);
  });

  it('refuses schema 1 with a word about it', async () => {
    const { registry, client, reference, context } = await setUp();
    registry.putManifest('app', '1', { schemaVersion: 1 }, 'application/vnd.docker.distribution.manifest.v1+prettyjws');
    const error = await failureOf(client.fetchManifest(reference, context));
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toContain('schema 1');
  });

  it('reads manifests of 4 MB, and not more than it should', async () => {
    const { registry, client, reference, context } = await setUp();
    registry.putManifest(
      'app',
      '1',
      { ...DOCUMENT, annotations: { pad: 'x'.repeat(4_000_000) } },
      MEDIA_TYPES.ociManifest,
    );
    expect((await client.fetchManifest(reference, context)).bytes.length).toBeGreaterThan(4_000_000);
    registry.putManifest('app', '1', Buffer.alloc(9_000_000, 32), MEDIA_TYPES.ociManifest);
    expect((await failureOf(client.fetchManifest(reference, context))).code).toBe('REGISTRY_PROTOCOL');
  });

  it('tells what is missing as not found', async () => {
    const { registry, client, context } = await setUp();
    const error = await failureOf(client.fetchManifest(referenceTo(registry.host, 'app:2'), context));
    expect(error.code).toBe('IMAGE_NOT_FOUND');
    expect(error.message).toContain('MANIFEST_UNKNOWN');
  });
});

describe('resolve()', () => {
  it('needs one HEAD', async () => {
    const { registry, client, reference, context, stored } = await setUp();
    expect(await client.resolve(reference, context)).toEqual({ mediaType: MEDIA_TYPES.ociManifest, ...stored });
    expect(registry.seen()).toEqual(['HEAD /v2/app/manifests/1']);
  });

  it('falls back to GET where HEAD is refused, or says too little', async () => {
    const { registry, client, reference, context, stored } = await setUp();
    registry.inject(
      { method: 'HEAD', answer: { status: 405 } },
      { method: 'HEAD', change: (answer) => ({ ...answer, headers: { 'content-length': '10' } }) },
    );
    for (let time = 0; time < 2; time += 1)
      expect((await client.resolve(reference, context)).digest).toBe(stored.digest);
  });

  it('tells what is missing as not found', async () => {
    const { registry, client, context } = await setUp();
    const error = await failureOf(client.resolve(referenceTo(registry.host, 'none:1'), context));
    expect(error.code).toBe('IMAGE_NOT_FOUND');
  });
});

describe('pushManifest()', () => {
  it('puts the exact bytes under the tag, and asks only once they are there', async () => {
    const { registry, client, context, stored } = await setUp();
    const manifest = {
      bytes: Buffer.from(JSON.stringify({ ...DOCUMENT, config: undefined })),
      descriptor: {
        mediaType: MEDIA_TYPES.ociManifest,
        digest: digestOf(JSON.stringify({ ...DOCUMENT, config: undefined })),
        size: stored.size,
      },
    };
    const target = referenceTo(registry.host, 'copy:2');
    await client.pushManifest(target, manifest, context);
    expect(registry.manifest('copy', '2')).toEqual({ bytes: manifest.bytes, mediaType: MEDIA_TYPES.ociManifest });
    await client.pushManifest(target, manifest, context);
    expect(registry.seen()).toEqual([
      'HEAD /v2/copy/manifests/2',
      'PUT /v2/copy/manifests/2',
      'HEAD /v2/copy/manifests/2',
    ]);
    await client.pushManifest(
      { registry: registry.host, repository: 'copy', digest: manifest.descriptor.digest },
      manifest,
      context,
    );
    expect(registry.seen().at(-1)).toBe(`HEAD /v2/copy/manifests/${manifest.descriptor.digest}`);
  });

  it('reports what the registry misses, its size limit, and a digest that differs', async () => {
    const { registry, client, context } = await setUp();
    const bytes = Buffer.from(JSON.stringify({ ...DOCUMENT, config: { digest: digestOf('absent') } }));
    const manifest = {
      bytes,
      descriptor: { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(bytes), size: bytes.length },
    };
    const target = referenceTo(registry.host, 'copy:2');
    expect((await failureOf(client.pushManifest(target, manifest, context))).message).toContain(
      `MANIFEST_BLOB_UNKNOWN: ${digestOf('absent')}`,
    );
    registry.inject({ method: 'PUT', answer: { status: 413 } });
    expect((await failureOf(client.pushManifest(target, manifest, context))).message).toContain(
      `${bytes.length} bytes`,
    );
    registry.inject({ method: 'PUT', answer: { status: 201, headers: { 'docker-content-digest': digestOf('x') } } });
    expect((await failureOf(client.pushManifest(target, manifest, context))).code).toBe('BLOB_DIGEST_MISMATCH');
  });
});

describe('listTags() and deleteManifest()', () => {
  it('follows the pages to their end', async () => {
    const { registry, client, reference, context } = await setUp();
    for (const tag of ['2', '3', '4', '5']) registry.putManifest('app', tag, DOCUMENT, MEDIA_TYPES.ociManifest);
    expect(await client.listTags(reference, context)).toEqual(['1', '2', '3', '4', '5']);
    expect(registry.seen()).toHaveLength(3);
  });

  it('takes null, an empty list and 404 as no tags', async () => {
    const { registry, client, context } = await setUp();
    registry.inject({ path: /tags/, answer: { status: 200, body: Buffer.from('{"tags":null}') } });
    for (let time = 0; time < 2; time += 1)
      expect(await client.listTags(referenceTo(registry.host, 'none'), context)).toEqual([]);
  });

  it('does not follow a page to another host', async () => {
    const { registry, client, reference, context } = await setUp();
    registry.inject({
      path: /tags/,
      answer: {
        status: 200,
        headers: { link: '<http://127.0.0.1:9/x>; rel="next"' },
        body: Buffer.from('{"tags":["a"]}'),
      },
    });
    expect(await client.listTags(reference, context)).toEqual(['a']);
  });

  it('deletes, and says when a registry does not', async () => {
    const { registry, client, reference, context, stored } = await setUp();
    registry.inject({ method: 'DELETE', answer: { status: 405 } });
    expect((await failureOf(client.deleteManifest(reference, context))).code).toBe('UNSUPPORTED');
    await client.deleteManifest({ ...reference, digest: stored.digest }, context);
    expect(registry.manifest('app', stored.digest)).toBeUndefined();
    expect((await failureOf(client.deleteManifest({ ...reference, digest: stored.digest }, context))).code).toBe(
      'IMAGE_NOT_FOUND',
    );
  });
});
