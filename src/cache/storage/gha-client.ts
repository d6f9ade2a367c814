import { type BlobId, type BlobSource, BuildError, digestHex, digestOf, type RunContext } from '../../core/index.ts';
import {
  createTransport,
  DEFAULT_TIMEOUTS,
  type HttpRequest,
  type HttpResponse,
  readBytes,
  type Transport,
} from '../../registry/index.ts';
import type { GhaLocation } from '../types.ts';
import { readPatiently, sendPatiently } from './send-patiently.ts';
import { MAX_OBJECT_BYTES } from './upload-image.ts';

/** Entries of the cache service. They never change; the service keeps them apart by branch, and removes old ones. */
export interface GhaClient {
  /** The newest entry whose key begins with `prefix`; undefined when there is none. */
  find(prefix: string, context: RunContext): Promise<GhaEntry | undefined>;
  /** Makes an entry. One that is there, or is being made by another job, is left to be what it is. */
  save(
    key: string,
    content: { readonly blob: BlobId; readonly source: BlobSource },
    context: RunContext,
  ): Promise<void>;
  close(): Promise<void>;
}

/** An entry that can be read for a while. */
export interface GhaEntry {
  readonly key: string;
  read(context: RunContext): AsyncIterable<Uint8Array>;
}

const SERVICE = 'twirp/github.actions.results.api.v1.CacheService';
/** Entries of other writers, and of other forms of ours, are never found. */
const VERSION = digestHex(digestOf('zlayer shared cache 1'));
/** Larger blobs go in blocks, each repeated by itself (Azure Blob Storage: Put Block, Put Block List). */
const BLOCK_BYTES = 32 << 20;

/** What a client has of its surroundings. */
export interface GhaSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Size of blocks; replaced in tests. */
  readonly blockBytes?: number;
}

/**
 * A client of version 2 of the cache service of GitHub Actions: calls of Twirp, bytes by signed URLs of Azure Blob Storage.
 *
 * @throws BuildError `CREDENTIALS_INVALID` outside of a job of GitHub Actions. From its methods: `REGISTRY_DENIED`,
 * `REGISTRY_UNAVAILABLE`, `REGISTRY_PROTOCOL`, `CANCELLED`.
 */
export function createGhaClient(location: GhaLocation, { env, blockBytes = BLOCK_BYTES }: GhaSurroundings): GhaClient {
  const { url, token } = readAccess(location, env);
  const transport = createTransport({ timeouts: DEFAULT_TIMEOUTS, env });
  const call = async <T>(method: string, message: object, context: RunContext): Promise<Answer<T>> => {
    const body = Buffer.from(JSON.stringify(message));
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': String(body.length),
    };
    const answer = await sendTo(
      transport,
      { method: 'POST', url: new URL(`${SERVICE}/${method}`, url), headers, body },
      context,
    );
    const text = String((await readBytes(answer.body, MAX_OBJECT_BYTES)) ?? '');
    if (answer.status !== 200) return { status: answer.status, value: undefined, text };
    return { status: 200, value: parseAnswer<T>(text), text };
  };
  const find: GhaClient['find'] = async (prefix, context) => {
    const message = { key: prefix, restore_keys: [prefix], version: VERSION };
    const answer = await call<Found>('GetCacheEntryDownloadURL', message, context);
    if (answer.status === 404) return undefined;
    const { ok, signed_download_url: signed, matched_key: key } = requireAnswer(answer);
    if (ok !== true || !signed || !key) return undefined;
    return { key, read: (inner) => readPatiently((offset) => download(transport, { signed, offset }, inner), inner) };
  };
  return {
    find,
    save: async (key, { blob, source }, context) => {
      const made = await call<Reserved>('CreateCacheEntry', { key, version: VERSION }, context);
      if (made.status === 409) return;
      const { ok, signed_upload_url: signed } = requireAnswer(made);
      if (ok !== true || !signed) return;
      await upload(transport, { signed, blob, source, blockBytes }, context);
      const end = { key, version: VERSION, size_bytes: String(blob.sizeBytes) };
      requireAnswer(await call<{ readonly ok?: boolean }>('FinalizeCacheEntryUpload', end, context));
    },
    close: () => transport.close(),
  };
}

interface Answer<T> {
  readonly status: number;
  readonly value: T | undefined;
  readonly text: string;
}

interface Found {
  readonly ok?: boolean;
  readonly signed_download_url?: string;
  readonly matched_key?: string;
}

interface Reserved {
  readonly ok?: boolean;
  readonly signed_upload_url?: string;
}

function readAccess(
  location: GhaLocation,
  env: Readonly<Record<string, string | undefined>>,
): { readonly url: string; readonly token: string } {
  const url = location.url ?? env.ACTIONS_RESULTS_URL;
  const token = location.token ?? env.ACTIONS_RUNTIME_TOKEN;
  if (url && token) return { url: url.endsWith('/') ? url : `${url}/`, token };
  throw new BuildError(
    'CREDENTIALS_INVALID',
    `The cache type=gha cannot be used: ${url ? 'ACTIONS_RUNTIME_TOKEN' : 'ACTIONS_RESULTS_URL'} is not set.`,
    {
      hint: 'It works in jobs of GitHub Actions alone. Their `run:` steps get both variables from an action such as crazy-max/ghaction-github-runtime.',
    },
  );
}

function parseAnswer<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new BuildError('REGISTRY_PROTOCOL', 'The cache service of GitHub Actions answered with no JSON.', {
      cause: error,
    });
  }
}

function requireAnswer<T>({ status, value, text }: Answer<T>): T {
  if (value !== undefined) return value;
  throw errorOf(status, /"msg"\s*:\s*"([^"]*)"/.exec(text)?.[1]);
}

function errorOf(status: number, why: string | undefined): BuildError {
  const told = `status ${status}${why === undefined ? '' : `: ${why}`}`;
  if (status !== 401 && status !== 403) {
    return new BuildError('REGISTRY_UNAVAILABLE', `The cache service of GitHub Actions answered with ${told}.`);
  }
  return new BuildError('REGISTRY_DENIED', `The cache service of GitHub Actions denies access with ${told}.`, {
    hint: 'A token lasts as long as its job; jobs of forks may only read.',
  });
}

/** A redirect is not followed: the service has none, and what it signs is for one place. */
type Sent = Omit<HttpRequest, 'tls'>;

function sendTo(transport: Transport, request: Sent | (() => Sent), context: RunContext): Promise<HttpResponse> {
  const toError = async (failure: HttpResponse | Error): Promise<BuildError> => {
    if (!(failure instanceof Error)) {
      await failure.discard();
      return errorOf(failure.status, undefined);
    }
    const message = `The cache service of GitHub Actions cannot be reached: ${failure.message}.`;
    return new BuildError('REGISTRY_UNAVAILABLE', message, { cause: failure });
  };
  const make = async (): Promise<HttpRequest> => ({
    ...(typeof request === 'function' ? request() : request),
    tls: { insecure: false },
  });
  return sendPatiently(transport, { request: make, toError }, context);
}

interface Download {
  readonly signed: string;
  readonly offset: number;
}

async function download(
  transport: Transport,
  { signed, offset }: Download,
  context: RunContext,
): Promise<AsyncIterable<Uint8Array>> {
  const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
  const answer = await sendTo(transport, { method: 'GET', url: new URL(signed), headers }, context);
  if (answer.status === (offset === 0 ? 200 : 206)) return answer.body;
  await answer.discard();
  if (answer.status !== 404) throw errorOf(answer.status, undefined);
  throw new BuildError('BLOB_MISSING', 'The cache service of GitHub Actions has lost an entry.');
}

interface Upload {
  readonly signed: string;
  readonly blob: BlobId;
  readonly source: BlobSource;
  readonly blockBytes: number;
}

async function upload(
  transport: Transport,
  { signed, blob, source, blockBytes }: Upload,
  context: RunContext,
): Promise<void> {
  if (blob.sizeBytes <= blockBytes) {
    const body = (): AsyncIterable<Uint8Array> => source.open(blob);
    return put(transport, { url: new URL(signed), body, sizeBytes: blob.sizeBytes, blobType: true }, context);
  }
  const ids: string[] = [];
  for (let offset = 0; offset < blob.sizeBytes; offset += blockBytes) {
    const sizeBytes = Math.min(blockBytes, blob.sizeBytes - offset);
    const id = Buffer.from(String(ids.length).padStart(8, '0')).toString('base64');
    const url = withQuery(signed, { comp: 'block', blockid: id });
    const body = (): AsyncIterable<Uint8Array> => first(source.open(blob, { offset }), sizeBytes);
    await put(transport, { url, body, sizeBytes, blobType: false }, context);
    ids.push(id);
  }
  const list = `<?xml version="1.0" encoding="utf-8"?><BlockList>${ids.map((id) => `<Latest>${id}</Latest>`).join('')}</BlockList>`;
  const bytes = Buffer.from(list);
  const content = { url: withQuery(signed, { comp: 'blocklist' }), body: () => bytes, sizeBytes: bytes.length };
  await put(transport, { ...content, blobType: false }, context);
}

interface PutContent {
  readonly url: URL;
  readonly body: () => NonNullable<HttpRequest['body']>;
  readonly sizeBytes: number;
  /** The whole blob at once. */
  readonly blobType: boolean;
}

async function put(transport: Transport, content: PutContent, context: RunContext): Promise<void> {
  const { url, body, sizeBytes, blobType } = content;
  const headers = {
    'content-length': String(sizeBytes),
    ...(blobType ? { 'x-ms-blob-type': 'BlockBlob' } : {}),
  };
  const answer = await sendTo(transport, () => ({ method: 'PUT', url, headers, body: body() }), context);
  await answer.discard();
  if (answer.status !== 201) throw errorOf(answer.status, undefined);
}

function withQuery(signed: string, values: Readonly<Record<string, string>>): URL {
  const url = new URL(signed);
  for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value);
  return url;
}

async function* first(bytes: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let left = sizeBytes;
  for await (const chunk of bytes) {
    yield chunk.subarray(0, left);
    left -= Math.min(left, chunk.length);
    if (left === 0) return;
  }
}
