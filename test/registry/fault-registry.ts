import { createHash, randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  request as sendRequest,
} from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Digest, digestOf } from '../../src/core/index.ts';

/** A request as the registry saw it. */
export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Bytes of the body that arrived. */
  readonly received: number;
}

/** An answer before it is sent; faults change it. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Buffer;
  /** The connection is cut after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Nothing more is sent after so many bytes of the body, and the connection stays open. */
  readonly stallAfter?: number;
  /** The connection is cut before anything is sent. */
  readonly drop?: boolean;
}

/** Something that goes wrong, for the requests that match, `times` times (default once). */
export interface Fault {
  readonly method?: string;
  readonly path?: RegExp;
  readonly times?: number;
  /** So many matching requests go well before. */
  readonly after?: number;
  /** Answers instead of the registry. */
  readonly answer?: Answer | ((request: SeenRequest) => Answer);
  /** Changes what the registry answers. */
  readonly change?: (answer: Answer, request: SeenRequest) => Answer;
  /** The connection is cut when so many bytes of the request's body have arrived; an open upload keeps them. */
  readonly cutUploadAfter?: number;
}

export interface StoredManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

/** Rights by token; tokens are refused when they are not here. */
export type IssuedTokens = Map<string, readonly string[]>;

export type AuthMode =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** Tokens come from `/token` of this server, or from `realm`. */
  | {
      readonly kind: 'token';
      readonly realm?: string;
      readonly username?: string;
      readonly password?: string;
      readonly refreshToken?: string;
      readonly expiresIn?: number;
      /** `/token` knows only this method. */
      readonly method?: 'GET' | 'POST';
      readonly challengeScope?: boolean;
      /** Rights that are not given, whatever is asked. */
      readonly withhold?: RegExp;
    };

export interface FaultRegistryOptions {
  /** `host:port` of a registry that answers what no fault does; nothing is kept here then. */
  readonly upstream?: string;
  readonly auth?: AuthMode;
  readonly tls?: ServerOptions;
  /** Puts a path in front of upload locations, or makes them absolute. */
  readonly location?: (path: string, host: string) => string;
  readonly chunkMinLength?: number;
  readonly mountAllowed?: boolean;
  /** Lists what refers to a digest, and takes note of subjects; so many on a page. */
  readonly referrersPerPage?: number;
}

export interface FaultRegistry {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  readonly url: string;
  readonly requests: SeenRequest[];
  readonly tokens: IssuedTokens;
  /** Asked of `/token`: scopes and how. */
  readonly tokenRequests: Array<{
    readonly method: string;
    readonly scopes: readonly string[];
    readonly authorization?: string;
  }>;
  inject(...faults: readonly Fault[]): void;
  /** Forgets all faults, and tells how many of them never came to pass. */
  calm(): number;
  putBlob(repository: string, bytes: Uint8Array | string): { readonly digest: Digest; readonly sizeBytes: number };
  putManifest(
    repository: string,
    reference: string,
    document: unknown,
    mediaType: string,
  ): { readonly digest: Digest; readonly size: number };
  blob(repository: string, digest: string): Buffer | undefined;
  manifest(repository: string, reference: string): StoredManifest | undefined;
  /** Uploads that are still open. */
  openUploads(): number;
  /** Requests by `METHOD path`, in their order. */
  seen(method?: string): readonly string[];
  close(): Promise<void>;
}

interface Upload {
  readonly repository: string;
  bytes: Buffer;
}

interface State {
  readonly options: FaultRegistryOptions;
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, StoredManifest>;
  readonly uploads: Map<string, Upload>;
  readonly tokens: IssuedTokens;
  readonly tokenRequests: FaultRegistry['tokenRequests'];
  host: string;
}

interface Request extends SeenRequest {
  readonly url: URL;
  readonly body: Buffer;
}

/** A registry in memory for tests: it follows distribution-spec, and goes wrong as it is told. */
export async function startFaultRegistry(options: FaultRegistryOptions = {}): Promise<FaultRegistry> {
  const state: State = {
    options,
    blobs: new Map(),
    manifests: new Map(),
    uploads: new Map(),
    tokens: new Map(),
    tokenRequests: [],
    host: '',
  };
  const requests: SeenRequest[] = [];
  const faults: Array<{ fault: Fault; waiting: number; left: number }> = [];
  const takeFault = (method: string, path: string): Fault | undefined => {
    for (const entry of faults) {
      const { fault } = entry;
      if (entry.left === 0 || (fault.method ?? method) !== method || !(fault.path ?? /./).test(path)) continue;
      if (entry.waiting > 0) {
        entry.waiting -= 1;
        continue;
      }
      entry.left -= 1;
      return fault;
    }
    return undefined;
  };
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    // The message lets go of its socket when reading ends early.
    const { socket } = incoming;
    const method = incoming.method ?? 'GET';
    const path = incoming.url ?? '/';
    const fault = takeFault(method, path);
    const { body, isCut } = await readBody(incoming, fault?.cutUploadAfter);
    const request: Request = {
      method,
      path,
      headers: incoming.headers,
      received: body.length,
      body,
      url: new URL(path, `http://${state.host}`),
    };
    requests.push({ method, path, headers: incoming.headers, received: body.length });
    const { upstream } = options;
    if (isCut) {
      if (upstream === undefined) keepPartialUpload(state, request);
      else await forwardPart(upstream, request);
      socket.destroy();
      return;
    }
    const scripted = typeof fault?.answer === 'function' ? fault.answer(request) : fault?.answer;
    const answer = scripted ?? (upstream === undefined ? route(state, request) : await forward(upstream, request));
    send(response, fault?.change?.(answer, request) ?? answer, method);
  };
  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    const { socket } = incoming;
    serve(incoming, response).catch(() => socket.destroy());
  };
  const server: Server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  state.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    host: state.host,
    url: `${options.tls === undefined ? 'http' : 'https'}://${state.host}`,
    requests,
    tokens: state.tokens,
    tokenRequests: state.tokenRequests,
    inject: (...added) => {
      for (const fault of added) faults.push({ fault, waiting: fault.after ?? 0, left: fault.times ?? 1 });
    },
    calm: () => faults.splice(0).filter(({ fault, left }) => left === (fault.times ?? 1)).length,
    putBlob: (repository, content) => {
      const bytes = Buffer.from(content);
      const digest = digestOf(bytes);
      state.blobs.set(`${repository}@${digest}`, bytes);
      return { digest, sizeBytes: bytes.length };
    },
    putManifest: (repository, reference, document, mediaType) => {
      const bytes = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document));
      const digest = digestOf(bytes);
      for (const name of [reference, digest]) state.manifests.set(`${repository}@${name}`, { bytes, mediaType });
      return { digest, size: bytes.length };
    },
    blob: (repository, digest) => state.blobs.get(`${repository}@${digest}`),
    manifest: (repository, reference) => state.manifests.get(`${repository}@${reference}`),
    openUploads: () => state.uploads.size,
    seen: (method) =>
      requests
        .filter((request) => (method ?? request.method) === request.method && request.path !== '/v2/')
        .map((request) => `${request.method} ${request.path}`),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What another registry answers. It knows itself by the name that it was asked under. */
function forward(upstream: string, { method, path, headers, body }: Request): Promise<Answer> {
  const [hostname = '', port = ''] = upstream.split(':');
  return new Promise((resolve, reject) => {
    const sent = sendRequest({ hostname, port, method, path, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const { connection: _, ...rest } = response.headers;
      const answered = rest as Readonly<Record<string, string>>;
      resolve({ status: response.statusCode ?? 500, headers: answered, body: Buffer.concat(chunks) });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** A request whose connection is lost before all of its body was sent. */
function forwardPart(upstream: string, { method, path, headers, body }: Request): Promise<void> {
  const [hostname = '', port = ''] = upstream.split(':');
  return new Promise((resolve) => {
    const sent = sendRequest({ hostname, port, method, path, headers });
    sent.once('error', () => undefined);
    sent.once('close', () => resolve());
    sent.write(body, () => sent.destroy());
  });
}

async function readBody(
  incoming: IncomingMessage,
  limit: number | undefined,
): Promise<{ body: Buffer; isCut: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  if (limit === 0) return { body: Buffer.alloc(0), isCut: true };
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (limit !== undefined && size >= limit) return { body: Buffer.concat(chunks).subarray(0, limit), isCut: true };
    }
  } catch {
    return { body: Buffer.concat(chunks), isCut: true };
  }
  return { body: Buffer.concat(chunks), isCut: false };
}

function keepPartialUpload(state: State, { method, url, body }: Request): void {
  const upload = state.uploads.get(url.pathname.split('/').at(-1) ?? '');
  if (upload !== undefined && (method === 'PUT' || method === 'PATCH'))
    upload.bytes = Buffer.concat([upload.bytes, body]);
}

function send(response: ServerResponse, answer: Answer, method: string): void {
  const { body = Buffer.alloc(0), cutAfter, stallAfter } = answer;
  if (answer.drop === true) {
    response.socket?.destroy();
    return;
  }
  const headers = Object.fromEntries(
    Object.entries(answer.headers ?? {}).map(([name, value]) => [name, value as string | string[]]),
  );
  const hasLength = Object.keys(headers).some(
    (name) => name.toLowerCase() === 'content-length' || name.toLowerCase() === 'transfer-encoding',
  );
  response.writeHead(answer.status, hasLength ? headers : { ...headers, 'content-length': body.length });
  if (method === 'HEAD') response.end();
  else if (cutAfter === undefined && stallAfter === undefined) response.end(body);
  else {
    response.write(body.subarray(0, cutAfter ?? stallAfter), () => {
      if (cutAfter !== undefined) response.socket?.destroy();
    });
  }
}

function refuse(
  status: number,
  code: string,
  message = code.toLowerCase().replaceAll('_', ' '),
  headers: Answer['headers'] = {},
): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify({ errors: [{ code, message, detail: {} }] })),
  };
}

function route(state: State, request: Request): Answer {
  const { pathname } = request.url;
  if (pathname === '/token') return issueToken(state, request);
  const path = /^\/v2\/(?:(.+?)\/(manifests|blobs\/uploads|blobs|tags|referrers)(?:\/(.*))?)?$/.exec(pathname);
  if (path === null)
    return { status: 404, headers: { 'content-type': 'text/plain' }, body: Buffer.from('404 page not found') };
  const [, repository = '', kind, name = ''] = path;
  const refused = checkAuthorization(state, request, repository);
  if (refused !== undefined) return refused;
  if (kind === 'manifests') return serveManifest(state, request, `${repository}@${name}`);
  if (kind === 'blobs') return serveBlob(state, request, `${repository}@${name}`);
  if (kind === 'blobs/uploads') return serveUpload(state, request, { repository, id: name });
  if (kind === 'referrers') return serveReferrers(state, request, { repository, digest: name });
  if (kind === 'tags') return serveTags(state, request, repository);
  return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from('{}') };
}

function neededScopes({ method, url }: Request, repository: string): readonly string[] {
  if (repository === '') return [];
  const from = url.searchParams.get('from');
  const action =
    { GET: 'pull', HEAD: 'pull', DELETE: url.pathname.includes('/uploads/') ? 'push' : 'delete' }[method] ?? 'push';
  return [`repository:${repository}:${action}`, ...(from === null ? [] : [`repository:${from}:pull`])];
}

function checkAuthorization(state: State, request: Request, repository: string): Answer | undefined {
  const { auth } = state.options;
  const { authorization } = request.headers;
  if (auth === undefined) return undefined;
  if (auth.kind === 'basic') {
    const wanted = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
    if (authorization === wanted) return undefined;
    return refuse(401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': 'Basic realm="test"' });
  }
  const needed = neededScopes(request, repository);
  const rights = state.tokens.get(authorization?.replace(/^Bearer /, '') ?? '');
  const isAllowed = rights !== undefined && needed.every((scope) => covers(rights, scope));
  if (isAllowed) return undefined;
  const realm = auth.realm ?? `${state.options.tls === undefined ? 'http' : 'https'}://${state.host}/token`;
  const scope = needed.length === 0 || auth.challengeScope === false ? '' : `,scope="${needed.join(' ')}"`;
  return refuse(401, 'UNAUTHORIZED', 'authentication required', {
    'www-authenticate': `Bearer realm="${realm}",service="test-service"${scope}`,
  });
}

function covers(rights: readonly string[], wanted: string): boolean {
  const split = (scope: string) => ({
    resource: scope.slice(0, scope.lastIndexOf(':')),
    actions: scope.slice(scope.lastIndexOf(':') + 1).split(','),
  });
  const { resource, actions } = split(wanted);
  return actions.every((action) =>
    rights.some((right) => split(right).resource === resource && split(right).actions.includes(action)),
  );
}

function issueToken(state: State, { method, url, headers, body }: Request): Answer {
  const { auth } = state.options;
  if (auth?.kind !== 'token') return { status: 404 };
  const form = new URLSearchParams(body.toString());
  const scopes =
    method === 'GET'
      ? url.searchParams.getAll('scope')
      : (form.get('scope') ?? '').split(' ').filter((scope) => scope !== '');
  state.tokenRequests.push({
    method,
    scopes,
    ...(headers.authorization === undefined ? {} : { authorization: headers.authorization }),
  });
  if (auth.method !== undefined && auth.method !== method) return { status: 405 };
  if (!mayHaveToken(auth, { method, authorization: headers.authorization, form }))
    return refuse(401, 'UNAUTHORIZED', 'incorrect username or password');
  const token = randomUUID();
  state.tokens.set(
    token,
    scopes.filter((scope) => auth.withhold?.test(scope) !== true),
  );
  const lifetime = auth.expiresIn === undefined ? {} : { expires_in: auth.expiresIn };
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ token, ...lifetime })),
  };
}

function mayHaveToken(
  auth: Extract<AuthMode, { kind: 'token' }>,
  asked: { readonly method: string; readonly authorization: string | undefined; readonly form: URLSearchParams },
): boolean {
  if (auth.refreshToken !== undefined && asked.form.get('refresh_token') === auth.refreshToken) return true;
  if (auth.username === undefined) return auth.refreshToken === undefined;
  const basic = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
  const isPasswordGrant = asked.form.get('grant_type') === 'password' && asked.form.get('password') === auth.password;
  return asked.authorization === basic || isPasswordGrant;
}

function serveManifest(state: State, request: Request, key: string): Answer {
  const stored = state.manifests.get(key);
  if (request.method === 'PUT') {
    const [repository = '', name = ''] = key.split(/@(.*)/s);
    const digest = digestOf(request.body);
    if (name.startsWith('sha256:') && name !== digest) return refuse(400, 'DIGEST_INVALID');
    const missing = missingParts(state, repository, request.body);
    if (missing !== undefined) return refuse(400, 'MANIFEST_BLOB_UNKNOWN', `${missing} is not here`);
    const mediaType = request.headers['content-type'] ?? '';
    const { subject } = JSON.parse(request.body.toString()) as { subject?: { digest: string } };
    for (const reference of [name, digest])
      state.manifests.set(`${repository}@${reference}`, { bytes: request.body, mediaType });
    return {
      status: 201,
      headers: {
        location: `/v2/${repository}/manifests/${digest}`,
        'docker-content-digest': digest,
        ...(subject === undefined || state.options.referrersPerPage === undefined
          ? {}
          : { 'oci-subject': subject.digest }),
      },
    };
  }
  if (stored === undefined) return refuse(404, 'MANIFEST_UNKNOWN');
  if (request.method === 'DELETE') {
    state.manifests.delete(key);
    return { status: 202 };
  }
  const headers = {
    'content-type': stored.mediaType,
    'docker-content-digest': digestOf(stored.bytes),
    'content-length': String(stored.bytes.length),
  };
  return { status: 200, headers, body: stored.bytes };
}

function missingParts(state: State, repository: string, body: Buffer): string | undefined {
  const {
    config,
    layers = [],
    manifests = [],
  } = JSON.parse(body.toString()) as {
    config?: { digest: string };
    layers?: ReadonlyArray<{ digest: string; urls?: unknown }>;
    manifests?: ReadonlyArray<{ digest: string }>;
  };
  const blobs = [...(config === undefined ? [] : [config]), ...layers.filter(({ urls }) => urls === undefined)];
  return (
    blobs.find(({ digest }) => !state.blobs.has(`${repository}@${digest}`))?.digest ??
    manifests.find(({ digest }) => !state.manifests.has(`${repository}@${digest}`))?.digest
  );
}

function serveBlob(state: State, { headers, method }: Request, key: string): Answer {
  const bytes = state.blobs.get(key);
  if (bytes === undefined) return refuse(404, 'BLOB_UNKNOWN');
  const digest = key.split(/@(.*)/s)[1] ?? '';
  const shared = { 'content-type': 'application/octet-stream', 'docker-content-digest': digest };
  const range = /^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1];
  if (range === undefined || method === 'HEAD')
    return { status: 200, headers: { ...shared, 'content-length': String(bytes.length) }, body: bytes };
  if (Number(range) >= bytes.length) return { status: 416 };
  const contentRange = `bytes ${range}-${bytes.length - 1}/${bytes.length}`;
  return { status: 206, headers: { ...shared, 'content-range': contentRange }, body: bytes.subarray(Number(range)) };
}

function locationOf(state: State, repository: string, id: string): string {
  const path = `/v2/${repository}/blobs/uploads/${id}`;
  return state.options.location?.(path, state.host) ?? path;
}

function serveUpload(
  state: State,
  request: Request,
  { repository, id }: { readonly repository: string; readonly id: string },
): Answer {
  if (request.method === 'POST') return openUpload(state, request, repository);
  const upload = state.uploads.get(id);
  if (upload === undefined) return refuse(404, 'BLOB_UPLOAD_UNKNOWN');
  const headers = () => ({
    location: locationOf(state, repository, id),
    range: `0-${Math.max(0, upload.bytes.length - 1)}`,
  });
  if (request.method === 'GET') return { status: 204, headers: headers() };
  if (request.method === 'DELETE') {
    state.uploads.delete(id);
    return { status: 204 };
  }
  const first = /^(\d+)-\d+$/.exec(request.headers['content-range'] ?? '')?.[1];
  if (first !== undefined && Number(first) !== upload.bytes.length) return { status: 416, headers: headers() };
  upload.bytes = Buffer.concat([upload.bytes, request.body]);
  if (request.method === 'PATCH') return { status: 202, headers: headers() };
  return finishUpload(state, request, { repository, id, bytes: upload.bytes });
}

function openUpload(state: State, { url }: Request, repository: string): Answer {
  const mount = url.searchParams.get('mount');
  const mounted = state.blobs.get(`${url.searchParams.get('from')}@${mount}`);
  if (mount !== null && mounted !== undefined && state.options.mountAllowed !== false) {
    state.blobs.set(`${repository}@${mount}`, mounted);
    return { status: 201, headers: { location: `/v2/${repository}/blobs/${mount}` } };
  }
  const id = randomUUID();
  state.uploads.set(id, { repository, bytes: Buffer.alloc(0) });
  const { chunkMinLength } = state.options;
  const minimum: Record<string, string> =
    chunkMinLength === undefined ? {} : { 'oci-chunk-min-length': String(chunkMinLength) };
  return { status: 202, headers: { location: locationOf(state, repository, id), range: '0-0', ...minimum } };
}

function finishUpload(
  state: State,
  { url }: Request,
  upload: { readonly repository: string; readonly id: string; readonly bytes: Buffer },
): Answer {
  const wanted = url.searchParams.get('digest') ?? '';
  const [algorithm = 'sha256'] = wanted.split(':');
  state.uploads.delete(upload.id);
  if (`${algorithm}:${createHash(algorithm).update(upload.bytes).digest('hex')}` !== wanted)
    return refuse(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
  state.blobs.set(`${upload.repository}@${wanted}`, upload.bytes);
  return {
    status: 201,
    headers: { location: `/v2/${upload.repository}/blobs/${wanted}`, 'docker-content-digest': wanted },
  };
}

function serveReferrers(
  state: State,
  { url }: Request,
  { repository, digest }: { readonly repository: string; readonly digest: string },
): Answer {
  const { referrersPerPage } = state.options;
  if (referrersPerPage === undefined) return refuse(404, 'UNSUPPORTED');
  const all = [...state.manifests]
    .filter(([key]) => key.startsWith(`${repository}@sha256:`))
    .map(([key, { bytes, mediaType }]) => ({
      descriptor: { mediaType, digest: key.slice(repository.length + 1), size: bytes.length },
      subject: (JSON.parse(bytes.toString()) as { subject?: { digest: string } }).subject?.digest,
    }))
    .filter(({ subject }) => subject === digest);
  const start = Number(url.searchParams.get('start') ?? 0);
  const end = start + referrersPerPage;
  const link: Record<string, string> = all.length > end ? { link: `<${url.pathname}?start=${end}>; rel="next"` } : {};
  const manifests = all.slice(start, end).map(({ descriptor }) => descriptor);
  return {
    status: 200,
    headers: { 'content-type': 'application/vnd.oci.image.index.v1+json', ...link },
    body: Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })),
  };
}

function serveTags(state: State, { url }: Request, repository: string): Answer {
  const all = [...state.manifests.keys()]
    .filter((key) => key.startsWith(`${repository}@`) && !key.includes('@sha256:'))
    .map((key) => key.slice(repository.length + 1))
    .sort();
  if (all.length === 0) return refuse(404, 'NAME_UNKNOWN');
  const last = url.searchParams.get('last') ?? '';
  const size = Number(url.searchParams.get('n') ?? 2);
  const rest = all.filter((tag) => tag > last);
  const page = rest.slice(0, size);
  const link: Record<string, string> =
    rest.length > size ? { link: `</v2/${repository}/tags/list?n=${size}&last=${page.at(-1)}>; rel="next"` } : {};
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...link },
    body: Buffer.from(JSON.stringify({ name: repository, tags: page })),
  };
}
