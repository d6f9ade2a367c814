import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MEDIA_TYPES } from '../../src/oci/index.ts';
import type { RegistryClientOptions } from '../../src/registry/index.ts';
import { missingPrograms } from './docker-registry.ts';
import { type FaultRegistry, type FaultRegistryOptions, startFaultRegistry } from './fault-registry.ts';
import { createTestContext } from './memory-sink.ts';
import { createTestClient, failureOf, referenceTo } from './test-client.ts';

/** A proxy that leads every host name to one server, and notes what it was asked. */
async function startProxy(target: string, { connectStatus = 200 }: { readonly connectStatus?: number } = {}) {
  const seen: Array<{ readonly method: string; readonly url: string; readonly authorization: string | undefined }> = [];
  const sockets = new Set<Socket>();
  const [hostname = '', port = ''] = target.split(':');
  const note = ({ method = '', url = '', headers }: IncomingMessage): void => {
    seen.push({ method, url, authorization: headers['proxy-authorization'] });
  };
  const server = createServer((incoming, response) => {
    note(incoming);
    const { pathname, search } = new URL(incoming.url ?? '');
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const forward = request(
      { hostname, port, method: incoming.method, path: `${pathname}${search}`, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    incoming.pipe(forward);
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.on('connect', (incoming: IncomingMessage, client: Socket) => {
    note(incoming);
    if (connectStatus !== 200) {
      client.end(`HTTP/1.1 ${connectStatus} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const upstream = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    sockets.add(upstream);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://user:proxy-pass@127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const missing = missingPrograms('openssl');
const closers: Array<() => Promise<void>> = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe.skipIf(missing.length > 0)('registry client over TLS and proxies', () => {
  let directory: string;
  let tls: { readonly key: string; readonly cert: string };
  const HOST = 'registry.example';

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'zlayer-tls-'));
    const names = `subjectAltName=DNS:${HOST},DNS:tokens.example,IP:127.0.0.1`;
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
        ...['-subj', '/CN=test', '-addext', names, '-keyout', 'key.pem', '-out', 'cert.pem'],
      ],
      { cwd: directory, stdio: 'ignore' },
    );
    tls = {
      key: readFileSync(join(directory, 'key.pem'), 'utf8'),
      cert: readFileSync(join(directory, 'cert.pem'), 'utf8'),
    };
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  async function setUp(
    options: FaultRegistryOptions,
    hosts: RegistryClientOptions['hosts'],
    more: Partial<RegistryClientOptions> = {},
  ) {
    const registry: FaultRegistry = await startFaultRegistry(options);
    closers.push(registry.close);
    const proxy = await startProxy(registry.host);
    closers.push(proxy.close);
    const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url };
    const { client } = createTestClient({ env, hosts: hosts ?? {}, ...more });
    closers.push(client.close);
    registry.putManifest('app', '1', { schemaVersion: 2, config: {}, layers: [] }, MEDIA_TYPES.ociManifest);
    return { registry, proxy, client, reference: referenceTo(HOST, 'app:1'), context: createTestContext() };
  }

  it('tunnels HTTPS through the proxy and trusts the authority of the host', async () => {
    const { proxy, client, reference, context } = await setUp({ tls }, { [HOST]: { ca: tls.cert } });
    await client.fetchManifest(reference, context);
    expect(proxy.seen).toEqual([
      { method: 'CONNECT', url: `${HOST}:443`, authorization: expect.stringMatching(/^Basic /) },
    ]);
  });

  it('does not trust an unknown authority, nor try plain HTTP then', async () => {
    const { registry, proxy, client, reference, context } = await setUp({ tls }, {});
    const error = await failureOf(client.fetchManifest(reference, context));
    expect(error.code).toBe('REGISTRY_UNAVAILABLE');
    expect(error.message).toMatch(/self-signed|not trusted/);
    expect(error.hint).toContain(`certs.d/${HOST}/ca.crt`);
    expect(`${error.message}${error.hint}`).not.toContain('proxy-pass');
    expect(proxy.seen.map(({ method }) => method)).toEqual(['CONNECT']);
    expect(registry.requests).toEqual([]);
  });

  it('takes any certificate, or plain HTTP, of a host that is marked as insecure', async () => {
    const secure = await setUp({ tls }, { [HOST]: { insecure: true } });
    await secure.client.fetchManifest(secure.reference, secure.context);
    const plain = await setUp({}, { [HOST]: { insecure: true } });
    await plain.client.fetchManifest(plain.reference, plain.context);
    expect(plain.proxy.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      `CONNECT ${HOST}:443`,
      `GET http://${HOST}/v2/`,
      `GET http://${HOST}/v2/app/manifests/1`,
    ]);
  });

  it('asks loopback without the proxy', async () => {
    const { registry, proxy, client, context } = await setUp({ tls }, {});
    await client.fetchManifest(referenceTo(registry.host, 'app:1'), context);
    expect(proxy.seen).toEqual([]);
  });

  it('tells what a proxy answers that opens no tunnel, and nothing of its password', async () => {
    const proxy = await startProxy('127.0.0.1:1', { connectStatus: 407 });
    const { client } = createTestClient({ env: { https_proxy: proxy.url } });
    closers.push(client.close, proxy.close);
    const error = await failureOf(client.fetchManifest(referenceTo(HOST, 'app:1'), createTestContext()));
    expect([error.code, error.message]).toEqual(['REGISTRY_UNAVAILABLE', expect.stringContaining('answered 407')]);
    expect(`${error.message}${error.hint}`).not.toContain('proxy-pass');
    expect(proxy.seen).toHaveLength(1);
  });

  it('keeps a tunnel for the next request', async () => {
    const { proxy, client, reference, context } = await setUp({ tls }, { [HOST]: { ca: tls.cert } });
    for (let count = 0; count < 3; count += 1) await client.fetchManifest(reference, context);
    expect(proxy.seen).toHaveLength(1);
  });

  it('presents the certificate of the host to the registry', async () => {
    const mutual = { ...tls, ca: tls.cert, requestCert: true, rejectUnauthorized: true };
    const known = await setUp({ tls: mutual }, { [HOST]: { ca: tls.cert, cert: tls.cert, key: tls.key } });
    await known.client.fetchManifest(known.reference, known.context);
    const unknown = await setUp({ tls: mutual }, { [HOST]: { ca: tls.cert } }, { maxAttempts: 1 });
    expect((await failureOf(unknown.client.fetchManifest(unknown.reference, unknown.context))).code).toBe(
      'REGISTRY_UNAVAILABLE',
    );
  });

  it('goes to a token server on another host over HTTPS, with the credentials', async () => {
    const auth = { kind: 'token', realm: 'https://tokens.example/token', username: 'ann', password: 'sesame' } as const;
    const login = { kind: 'basic', username: 'ann', password: 'sesame' } as const;
    const hosts = { [HOST]: { ca: tls.cert }, 'tokens.example': { ca: tls.cert } };
    const credentials = { resolve: async () => ({ credentials: login, source: 'the test' }) };
    const { registry, proxy, client, reference, context } = await setUp({ tls, auth }, hosts, { credentials });
    await client.fetchManifest(reference, context);
    expect(proxy.seen.map(({ url }) => url)).toEqual([`${HOST}:443`, 'tokens.example:443']);
    expect(registry.tokenRequests).toHaveLength(1);
  });

  it('trusts a token server on another host no more than any host', async () => {
    const auth = { kind: 'token', realm: 'https://tokens.example/token' } as const;
    const { registry, client, reference, context } = await setUp({ tls, auth }, { [HOST]: { ca: tls.cert } });
    expect((await failureOf(client.fetchManifest(reference, context))).code).toBe('REGISTRY_UNAVAILABLE');
    expect(registry.tokenRequests).toEqual([]);
  });

  it('sends no credentials over plain HTTP to a realm that a secure registry names', async () => {
    for (const realm of ['http://tokens.example/token', 'http://127.0.0.1:9/token', `http://${HOST}/token`]) {
      const { proxy, client, reference, context } = await setUp(
        { tls, auth: { kind: 'token', realm } },
        { [HOST]: { ca: tls.cert } },
      );
      expect((await failureOf(client.fetchManifest(reference, context))).code).toBe('REGISTRY_PROTOCOL');
      expect(proxy.seen).toHaveLength(1);
    }
  });

  it('does not follow a redirect from HTTPS to plain HTTP on another host, and corrects one to itself', async () => {
    const { registry, client, reference, context } = await setUp({ tls }, { [HOST]: { ca: tls.cert } });
    registry.inject({
      path: /manifests/,
      answer: { status: 307, headers: { location: 'http://elsewhere.example/x' } },
    });
    expect((await failureOf(client.fetchManifest(reference, context))).message).toContain('plain HTTP');
    registry.inject({
      path: /manifests/,
      answer: { status: 307, headers: { location: `http://${HOST}/v2/app/manifests/1` } },
    });
    await client.fetchManifest(reference, context);
  });
});
