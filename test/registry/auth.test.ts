import { afterEach, describe, expect, it } from 'vitest';
import type { Credentials, RegistryClientOptions } from '../../src/registry/index.ts';
import { type FaultRegistryOptions, startFaultRegistry } from './fault-registry.ts';
import { createTestContext } from './memory-sink.ts';
import { collect, createTestClient, failureOf, fixedCredentials, referenceTo } from './test-client.ts';

const SECRET = 'open-sesame-9f3';
const ANN: Credentials = { kind: 'basic', username: 'ann', password: SECRET };
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const closers: Array<() => Promise<void>> = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function setUp(options: FaultRegistryOptions, login?: Credentials, more: Partial<RegistryClientOptions> = {}) {
  const registry = await startFaultRegistry(options);
  const { client, sleeps } = createTestClient({ credentials: fixedCredentials(login, '~/auth.json'), ...more });
  closers.push(client.close, registry.close);
  registry.putManifest('app', '1', { schemaVersion: 2, config: {}, layers: [] }, MANIFEST);
  const reference = referenceTo(registry.host, 'app:1');
  const context = createTestContext();
  return { registry, client, sleeps, reference, context };
}

describe('Basic authentication', () => {
  const auth = { kind: 'basic', username: 'ann', password: SECRET } as const;

  it('answers the challenge, and sends the credentials at once from then on', async () => {
    const { registry, client, reference, context } = await setUp({ auth }, ANN);
    await client.fetchManifest(reference, context);
    await client.fetchManifest(reference, context);
    const sent = registry.requests
      .filter(({ path }) => path.includes('manifests'))
      .map(({ headers }) => headers.authorization !== undefined);
    expect(sent).toEqual([false, true, true]);
  });

  it('says which credentials were refused, and never the secret', async () => {
    const wrong = `wrong-${SECRET}`;
    const { registry, client, reference, context } = await setUp({ auth }, { ...ANN, password: wrong } as Credentials);
    registry.inject({
      after: 2,
      answer: ({ headers }) => ({
        status: 401,
        headers: { 'www-authenticate': 'Basic realm="x"', 'content-type': 'text/plain' },
        body: Buffer.from(`no: ${headers.authorization} ${wrong} http://ann:${wrong}@host/`),
      }),
    });
    const error = await failureOf(client.fetchManifest(reference, context));
    expect(error.code).toBe('REGISTRY_UNAUTHORIZED');
    expect(error.facts).toEqual({ registry: registry.host, credentialSource: '~/auth.json' });
    expect(error.message).toContain('~/auth.json');
    expect(error.hint).toContain(`zlayer login ${registry.host}`);
    expect(JSON.stringify([error.message, error.hint, error.cause])).not.toMatch(/sesame|YW5uOn/);
  });

  it('fails without credentials after one try', async () => {
    const { registry, client, reference, context } = await setUp({ auth });
    expect((await failureOf(client.fetchManifest(reference, context))).code).toBe('REGISTRY_UNAUTHORIZED');
    expect(registry.seen('GET')).toHaveLength(1);
  });

  it('decides ping, for login', async () => {
    const { registry, client, context } = await setUp({ auth }, ANN);
    await client.ping(registry.host, context);
    const { registry: other, client: stranger } = await setUp({ auth });
    expect((await failureOf(stranger.ping(other.host, context))).code).toBe('REGISTRY_UNAUTHORIZED');
  });
});

describe('token authentication', () => {
  it('asks the realm for the rights that are needed, once for a repository', async () => {
    const { registry, client, reference, context } = await setUp(
      { auth: { kind: 'token', username: 'ann', password: SECRET } },
      ANN,
    );
    await client.fetchManifest(reference, context);
    await client.resolve(reference, context);
    expect(registry.tokenRequests.map(({ method, scopes }) => ({ method, scopes }))).toEqual([
      { method: 'GET', scopes: ['repository:app:pull'] },
    ]);
  });

  it('works anonymously', async () => {
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token' } });
    await client.fetchManifest(reference, context);
    expect(registry.tokenRequests[0]?.authorization).toBeUndefined();
  });

  it('leaves the scope out where the challenge has none', async () => {
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token', challengeScope: false } });
    await failureOf(client.fetchManifest(reference, context));
    expect(registry.tokenRequests[0]?.scopes).toEqual([]);
  });

  it('asks for several rights in one token to mount from another repository', async () => {
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token' } });
    const blob = registry.putBlob('base', 'layer');
    const open = async function* () {
      yield Buffer.from('layer');
    };
    expect(await client.pushBlob(reference, blob, open, { mountFrom: ['base'] }, context)).toBe('mounted');
    expect(registry.tokenRequests.at(-1)?.scopes).toEqual(['repository:app:pull,push', 'repository:base:pull']);
  });

  it('uploads where the right to mount is not given', async () => {
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token', withhold: /:base:/ } });
    const blob = registry.putBlob('base', 'layer');
    const open = async function* () {
      yield Buffer.from('layer');
    };
    expect(await client.pushBlob(reference, blob, open, { mountFrom: ['base'] }, context)).toBe('uploaded');
  });

  it('does not use the scope of one repository for another', async () => {
    const { registry, client, context } = await setUp({ auth: { kind: 'token' } });
    registry.putManifest('other', '1', { schemaVersion: 2, config: {}, layers: [] }, MANIFEST);
    await client.fetchManifest(referenceTo(registry.host, 'app:1'), context);
    await client.fetchManifest(referenceTo(registry.host, 'other:1'), context);
    expect(registry.tokenRequests.map(({ scopes }) => scopes)).toEqual([
      ['repository:app:pull'],
      ['repository:other:pull'],
    ]);
  });

  it('fetches one token for many requests at once', async () => {
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token' } });
    await Promise.all(Array.from({ length: 8 }, () => client.resolve(reference, context)));
    expect(registry.tokenRequests).toHaveLength(1);
  });

  it('renews a token before it ends', async () => {
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token', expiresIn: 4 } });
    await client.resolve(reference, context);
    await client.resolve(reference, context);
    expect(registry.tokenRequests).toHaveLength(2);
    expect(registry.requests.filter(({ method }) => method === 'HEAD')).toHaveLength(3);
  });

  it('renews a token that the registry stops to accept in the middle of a transfer', async () => {
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token', expiresIn: 3600 } });
    const bytes = Buffer.alloc(200_000, 'x');
    const blob = registry.putBlob('app', bytes);
    registry.inject({
      path: /blobs/,
      after: 1,
      change: (answer) => {
        registry.tokens.clear();
        return { ...answer, cutAfter: 100_000 };
      },
    });
    expect((await collect(client.fetchBlob(reference, blob, context))).equals(bytes)).toBe(true);
    expect(registry.tokenRequests).toHaveLength(2);
  });

  it('does not ask without end when rights are missing', async () => {
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token', withhold: /./ } });
    expect((await failureOf(client.fetchManifest(reference, context))).code).toBe('REGISTRY_UNAUTHORIZED');
    expect(registry.tokenRequests.length).toBeLessThanOrEqual(2);
  });

  it('reports a refused login', async () => {
    const { client, reference, context } = await setUp(
      { auth: { kind: 'token', username: 'ann', password: 'other' } },
      ANN,
    );
    const error = await failureOf(client.fetchManifest(reference, context));
    expect(error.code).toBe('REGISTRY_UNAUTHORIZED');
    expect(error.message).toContain('incorrect username or password');
    expect(error.message).not.toContain(SECRET);
  });

  it('tries a token server again that is busy', async () => {
    const { registry, client, reference, context, sleeps } = await setUp({ auth: { kind: 'token' } });
    registry.inject({ path: /^\/token/, answer: { status: 503, headers: { 'retry-after': '2' } } });
    await client.fetchManifest(reference, context);
    expect(sleeps).toEqual([2000]);
  });

  it('exchanges an identity token by POST', async () => {
    const login: Credentials = { kind: 'identity-token', token: SECRET };
    const { registry, client, reference, context } = await setUp(
      { auth: { kind: 'token', refreshToken: SECRET } },
      login,
    );
    await client.fetchManifest(reference, context);
    expect(registry.tokenRequests.map(({ method, scopes }) => [method, ...scopes])).toEqual([
      ['POST', 'repository:app:pull'],
    ]);
  });

  it('falls back to GET where the server knows no POST', async () => {
    const login: Credentials = { kind: 'identity-token', token: SECRET };
    const auth = { kind: 'token', method: 'GET', username: '<token>', password: SECRET } as const;
    const { registry, client, reference, context } = await setUp({ auth }, login);
    await client.fetchManifest(reference, context);
    expect(registry.tokenRequests.map(({ method }) => method)).toEqual(['POST', 'GET']);
  });

  it('falls back to the password grant where the server knows no GET', async () => {
    const auth = { kind: 'token', method: 'POST', username: 'ann', password: SECRET } as const;
    const { client, reference, context } = await setUp({ auth }, ANN);
    await client.fetchManifest(reference, context);
  });

  it('sends a registry token as it is', async () => {
    const { registry, client, reference, context } = await setUp(
      { auth: { kind: 'token' } },
      { kind: 'bearer', token: 'given' },
    );
    registry.tokens.set('given', ['repository:app:pull']);
    await client.fetchManifest(reference, context);
    expect(registry.tokenRequests).toEqual([]);
  });

  it('sends no credentials to a realm on a foreign host over plain HTTP', async () => {
    const { registry, client, reference, context } = await setUp(
      { auth: { kind: 'token', realm: 'http://tokens.example/t' } },
      ANN,
    );
    const error = await failureOf(client.fetchManifest(reference, context));
    expect(error.code).toBe('REGISTRY_PROTOCOL');
    expect(error.message).toContain('tokens.example');
    expect(registry.seen()).toHaveLength(1);
  });

  it('does not follow a redirect of the token server to another origin', async () => {
    const thief = await startFaultRegistry();
    closers.push(thief.close);
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token' } }, ANN);
    registry.inject({ path: /^\/token/, answer: { status: 307, headers: { location: `${thief.url}/token` } } });
    await failureOf(client.fetchManifest(reference, context));
    expect(thief.requests).toEqual([]);
  });

  it('accepts a realm without a host, any case, and either token field', async () => {
    const { registry, client, reference, context } = await setUp({});
    registry.inject(
      {
        path: /manifests/,
        answer: {
          status: 401,
          headers: { 'www-authenticate': 'BEARER Realm="/give",SERVICE="s", scope="repository:app:pull"' },
        },
      },
      { path: /^\/give/, answer: { status: 200, body: Buffer.from('{"token":"no","access_token":"yes"}') } },
    );
    await client.fetchManifest(reference, context);
    expect(registry.requests.at(-1)?.headers.authorization).toBe('Bearer yes');
    expect(registry.requests.at(-2)?.path).toBe('/give?service=s&scope=repository%3Aapp%3Apull');
  });

  it('reports an answer without a token', async () => {
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token' } });
    registry.inject({ path: /^\/token/, answer: { status: 200, body: Buffer.from('<html>') } });
    expect((await failureOf(client.fetchManifest(reference, context))).message).toContain('without a token');
  });

  it('is not spoilt by another request that was cancelled while it fetched the token', async () => {
    const { registry, client, reference, context } = await setUp({ auth: { kind: 'token' } });
    const other = createTestContext();
    registry.inject({
      path: /^\/token/,
      answer: () => {
        other.abort();
        return { status: 200, body: Buffer.from('{"token":"late"}'), stallAfter: 1 };
      },
    });
    const [first, second] = await Promise.allSettled([
      client.resolve(reference, other),
      client.resolve(reference, context),
    ]);
    expect(first.status).toBe('rejected');
    expect(second.status).toBe('fulfilled');
  });
});
