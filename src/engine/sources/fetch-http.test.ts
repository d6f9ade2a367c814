import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { readContent } from '../../archive/index.ts';
import type { Digest } from '../../core/index.ts';
import type { HttpOp } from '../../graph/index.ts';
import { createTestEngine, type TestEngine } from '../test-engine.fixture.ts';
import type { TreeResult } from '../types.ts';
import { fetchHttp } from './fetch-http.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(handler: Handler): Promise<{ readonly url: string; readonly requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    handler(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function fetch(engine: TestEngine, url: string, more: Partial<HttpOp> = {}): Promise<TreeResult> {
  const op: HttpOp = { kind: 'http', url, fileName: 'file.tgz', ...more };
  return fetchHttp({ env: engine.env }, { op, vertex: 'v' }, engine.context);
}

function textOf({ tree }: TreeResult): string {
  const entry = tree.stat('file.tgz');
  return entry === undefined
    ? ''
    : Buffer.concat([...readContent(tree.content('file.tgz'), entry.sizeBytes)]).toString();
}

const sha256 = (text: string): Digest => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const sha512 = (text: string): Digest => `sha512:${createHash('sha512').update(text).digest('hex')}`;

describe('fetchHttp()', () => {
  it('gives one file, 0600, with the time of the server', async () => {
    await using engine = await createTestEngine();
    const { url } = await serve((_, response) =>
      response.setHeader('last-modified', 'Thu, 01 Jan 1970 00:01:40 GMT').end('data'),
    );
    const result = await fetch(engine, `${url}/a`);
    expect(result.tree.stat('file.tgz')).toMatchObject({
      type: 'file',
      mode: 0o600,
      uid: 0,
      gid: 0,
      mtime: 100,
      sizeBytes: 4,
    });
    expect(textOf(result)).toBe('data');
    expect(result.identity).toContain(sha256('data'));
    expect(result.fileDigest?.('file.tgz')).toBe(sha256('data').slice(7));
    expect(engine.events.at(-1)).toMatchObject({
      kind: 'transfer',
      direction: 'download',
      currentBytes: 4,
      totalBytes: 4,
      done: true,
    });
  });

  it('takes the epoch when the server gives no time, and an empty file', async () => {
    await using engine = await createTestEngine();
    const { url } = await serve((_, response) => response.end());
    expect((await fetch(engine, `${url}/empty`)).tree.stat('file.tgz')).toMatchObject({ mtime: 0, sizeBytes: 0 });
  });

  it('asks by ETag the second time, and again when the content is new', async () => {
    await using engine = await createTestEngine();
    let content = 'one';
    const { url, requests } = await serve((request, response) => {
      response.setHeader('etag', `"${content}"`);
      if (request.headers['if-none-match'] === `"${content}"`) response.writeHead(304).end();
      else response.end(content);
    });
    expect(textOf(await fetch(engine, `${url}/e`))).toBe('one');
    expect(textOf(await fetch(engine, `${url}/e`))).toBe('one');
    content = 'two';
    expect(textOf(await fetch(engine, `${url}/e`))).toBe('two');
    expect(requests.map((request) => request.headers['if-none-match'])).toEqual([undefined, '"one"', '"one"']);
  });

  it('checks checksums, and asks nobody when it has the file already', async () => {
    await using engine = await createTestEngine();
    const { url, requests } = await serve((_, response) => response.end('data'));
    await expect(fetch(engine, `${url}/c`, { checksum: sha256('other') })).rejects.toMatchObject({
      code: 'CHECKSUM_MISMATCH',
    });
    await fetch(engine, `${url}/c`, { checksum: sha512('data') });
    const before = requests.length;
    await fetch(engine, `${url}/c`, { checksum: sha256('data') });
    await fetch(engine, `${url}/c`, { checksum: sha512('data') });
    expect(requests.length).toBe(before);
  });

  it('follows redirects, and gives credentials to their own origin only', async () => {
    await using engine = await createTestEngine();
    const other = await serve((_, response) => response.end('there'));
    const { url, requests } = await serve((request, response) => {
      if (request.url === '/a') response.writeHead(302, { location: '/b' }).end();
      else response.writeHead(307, { location: `${other.url}/c` }).end();
    });
    expect(textOf(await fetch(engine, `${url.replace('//', '//me:secret@')}/a`))).toBe('there');
    const expected = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    expect(requests.map((request) => request.headers.authorization)).toEqual([expected, expected]);
    expect(other.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('tries again after a passing failure', async () => {
    await using engine = await createTestEngine();
    let count = 0;
    const { url } = await serve((_, response) => {
      count += 1;
      if (count === 1) response.destroy();
      else if (count === 2) response.writeHead(503).end();
      else response.end('at last');
    });
    expect(textOf(await fetch(engine, `${url}/r`))).toBe('at last');
  });

  it('keeps compressed files as they are sent', async () => {
    await using engine = await createTestEngine();
    const { url } = await serve((_, response) => response.setHeader('content-encoding', 'gzip').end('raw bytes'));
    expect(textOf(await fetch(engine, `${url}/z`))).toBe('raw bytes');
  });

  it('tells what the server answered, without secrets of the URL', async () => {
    await using engine = await createTestEngine();
    const { url } = await serve((_, response) => response.writeHead(404).end('no'));
    const error = await fetch(engine, `${url.replace('//', '//me:secret@')}/x?sig=hidden`).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'DOWNLOAD_FAILED', message: expect.stringContaining('404') });
    expect(String(error)).not.toMatch(/secret|hidden/);
  });

  it('sends the secret of the host, a token or a whole header, and not to where it is redirected', async () => {
    await using engine = await createTestEngine();
    const other = await serve((request, response) => response.end(String(request.headers.authorization)));
    const { url, requests } = await serve((request, response) => {
      if (request.url === '/away') response.writeHead(302, { location: `${other.url}/there` }).end();
      else response.end(String(request.headers.authorization));
    });
    const { host } = new URL(url);
    const secrets = new Map([[`HTTP_AUTH_TOKEN_${host}`, Buffer.from('tok\n')]]);
    const env = { ...engine.env, secrets: async (id: string) => secrets.get(id) };
    const get = (path: string): Promise<TreeResult> =>
      fetchHttp({ env }, { op: { kind: 'http', url: url + path, fileName: 'file.tgz' }, vertex: 'v' }, engine.context);
    expect(textOf(await get('/token'))).toBe('Bearer tok');
    secrets.set(`HTTP_AUTH_HEADER_${host}`, Buffer.from('Basic abc'));
    expect(textOf(await get('/header'))).toBe('Basic abc');
    expect(textOf(await get('/away'))).toBe('undefined');
    expect(requests.at(-1)?.headers.authorization).toBe('Basic abc');
  });

  it('names the secret that a server which wants credentials may be given', async () => {
    await using engine = await createTestEngine();
    const { url } = await serve((_, response) => response.writeHead(401).end());
    await expect(fetch(engine, `${url}/x`)).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      hint: expect.stringContaining(`HTTP_AUTH_TOKEN_${new URL(url).host}`),
    });
  });

  it('ends when it is cancelled', async () => {
    await using engine = await createTestEngine();
    const controller = new AbortController();
    const { url } = await serve((_, response) => {
      response.write('some');
      controller.abort();
    });
    const op: HttpOp = { kind: 'http', url: `${url}/slow`, fileName: 'f' };
    const work = fetchHttp({ env: engine.env }, { op, vertex: 'v' }, { ...engine.context, signal: controller.signal });
    await expect(work).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('uses the proxy of the environment', async () => {
    await using engine = await createTestEngine();
    const proxy = await serve((request, response) => response.end(`via ${request.url}`));
    const before = process.env['http_proxy'];
    process.env['http_proxy'] = proxy.url;
    try {
      const text = textOf(await fetch(engine, 'http://no-such-host.invalid/p'));
      expect(text).toBe('via http://no-such-host.invalid/p');
    } finally {
      if (before === undefined) delete process.env['http_proxy'];
      else process.env['http_proxy'] = before;
    }
  });
});
