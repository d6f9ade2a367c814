import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The cache service of GitHub Actions (version 2) with the blob storage behind it, in memory, for tests. */
export interface GhaService {
  readonly url: string;
  /** Finished entries by key, the oldest first. */
  readonly entries: ReadonlyMap<string, Buffer>;
  /** What was asked for, as `METHOD name`: methods of the service, and `blob`, `block` or `blocklist` of the storage. */
  readonly calls: string[];
  /** The next so many requests to the storage are answered with 503. */
  stumble(times: number): void;
  close(): Promise<void>;
}

export const GHA_TOKEN = 'the token of a job';
const SERVICE = '/twirp/github.actions.results.api.v1.CacheService/';

interface Reserved {
  readonly key: string;
  readonly version: string;
  readonly blocks: Map<string, Buffer>;
  content: Buffer | undefined;
}

interface State {
  readonly reserved: Map<string, Reserved>;
  readonly entries: Map<string, Buffer>;
  readonly versions: Map<string, string>;
  readonly calls: string[];
  stumbles: number;
  origin: string;
}

interface Answer {
  readonly status: number;
  readonly body?: Buffer | object;
}

export async function startGhaService(): Promise<GhaService> {
  const state: State = {
    reserved: new Map(),
    entries: new Map(),
    versions: new Map(),
    calls: [],
    stumbles: 0,
    origin: '',
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const url = new URL(request.url ?? '/', state.origin);
    const isCall = url.pathname.startsWith(SERVICE);
    const answer = (isCall ? serveCall : serveBlob)(state, { request, url, body: Buffer.concat(chunks) });
    const { body = {} } = answer;
    response.writeHead(answer.status).end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
  };
  const server = createServer((request, response) => {
    serve(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  state.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: state.origin,
    entries: state.entries,
    calls: state.calls,
    stumble: (times) => {
      state.stumbles = times;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

interface Received {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly body: Buffer;
}

type Message = Readonly<Record<'key' | 'version' | 'size_bytes', string>> & {
  readonly restore_keys?: readonly string[];
};

function serveCall(state: State, { request, url, body }: Received): Answer {
  const method = url.pathname.slice(SERVICE.length);
  state.calls.push(`${request.method} ${method}`);
  if (request.headers.authorization !== `Bearer ${GHA_TOKEN}`) {
    return { status: 401, body: { code: 'unauthenticated', msg: 'the token is not that of a job' } };
  }
  const message = JSON.parse(body.toString()) as Message;
  if (method === 'CreateCacheEntry') return reserve(state, message);
  if (method === 'FinalizeCacheEntryUpload') return finish(state, message);
  if (method === 'GetCacheEntryDownloadURL') return find(state, message);
  return { status: 404, body: { code: 'bad_route', msg: 'no such method' } };
}

function reserve(state: State, { key, version }: Message): Answer {
  const isTaken = [...state.reserved.values()].some((entry) => entry.key === key && entry.version === version);
  if (isTaken) return { status: 409, body: { code: 'already_exists', msg: 'cache entry exists' } };
  const id = randomUUID();
  state.reserved.set(id, { key, version, blocks: new Map(), content: undefined });
  return { status: 200, body: { ok: true, signed_upload_url: `${state.origin}/storage/${id}?sig=upload` } };
}

function finish(state: State, { key, version, size_bytes: size }: Message): Answer {
  const entry = [...state.reserved.values()].find((each) => each.key === key && each.version === version);
  if (entry?.content?.length !== Number(size)) return { status: 400, body: { code: 'invalid', msg: 'wrong size' } };
  state.entries.set(key, entry.content);
  state.versions.set(key, version);
  return { status: 200, body: { ok: true, entry_id: '1' } };
}

function find(state: State, { restore_keys: prefixes = [], version }: Message): Answer {
  const key = [...state.entries.keys()]
    .reverse()
    .find((name) => prefixes.some((prefix) => name.startsWith(prefix)) && state.versions.get(name) === version);
  if (key === undefined) return { status: 200, body: { ok: false, signed_download_url: '', matched_key: '' } };
  const name = encodeURIComponent(key);
  return {
    status: 200,
    body: { ok: true, signed_download_url: `${state.origin}/entry/${name}?sig=download`, matched_key: key },
  };
}

/** As Azure Blob Storage: a signed URL is all that is shown, and a token would be a leak. */
function serveBlob(state: State, { request, url, body }: Received): Answer {
  const { method, headers } = request;
  const comp = url.searchParams.get('comp') ?? 'blob';
  state.calls.push(`${method} ${comp}`);
  if (headers.authorization !== undefined || url.searchParams.get('sig') === null) return { status: 403 };
  if (state.stumbles > 0) {
    state.stumbles -= 1;
    return { status: 503 };
  }
  const [, place, name = ''] = url.pathname.split('/');
  if (place === 'entry') return download(state.entries.get(decodeURIComponent(name)), headers.range);
  const entry = state.reserved.get(name);
  if (entry === undefined || method !== 'PUT') return { status: 404 };
  if (comp === 'block') entry.blocks.set(url.searchParams.get('blockid') ?? '', body);
  else if (comp === 'blocklist') {
    const ids = [...body.toString().matchAll(/<Latest>([^<]+)<\/Latest>/g)].map(([, id]) => id!);
    entry.content = Buffer.concat(ids.map((id) => entry.blocks.get(id)!));
  } else if (headers['x-ms-blob-type'] === 'BlockBlob') entry.content = body;
  else return { status: 400 };
  return { status: 201 };
}

function download(content: Buffer | undefined, range: string | undefined): Answer {
  if (content === undefined) return { status: 404 };
  const from = /^bytes=(\d+)-$/.exec(range ?? '')?.[1];
  return from === undefined ? { status: 200, body: content } : { status: 206, body: content.subarray(Number(from)) };
}
