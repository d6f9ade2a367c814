import { open } from 'node:fs/promises';
import type { Dispatcher } from 'undici';
import {
  BuildError,
  createDigester,
  type Digest,
  linkedAbort,
  type RunContext,
  toBuildError,
} from '../../core/index.ts';
import { redactUrl } from './redact-url.ts';

/** One conditional GET into a file. */
export interface DownloadRequest {
  readonly url: string;
  /** Does not exist yet. */
  readonly destination: string;
  /** Sent as `If-None-Match` and `If-Modified-Since`. */
  readonly validators: Validators;
  /** Value of an `Authorization` header for the first origin; goes before the user info of the URL. */
  readonly authorization?: string | undefined;
  /** Algorithm of a digest that is wanted besides sha256. */
  readonly alsoSha512: boolean;
  /** Id for progress events. */
  readonly vertex: string;
}

export interface Validators {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

export type DownloadResult =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'downloaded';
      readonly digest: Digest;
      readonly sha512?: Digest;
      readonly sizeBytes: number;
      readonly validators: Validators;
    };

const ANSWER_TIMEOUT_MS = 60_000;
const MAX_REDIRECTS = 10;
const MAX_ATTEMPTS = 4;
const FIRST_DELAY_MS = 200;
const PROGRESS_BYTES = 1 << 20;
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * Downloads a file over http(s): proxies from the environment, redirects (credentials only to the first origin), three more
 * attempts after network errors and 5xx or 429 answers. The bytes are kept as they come, whatever their content encoding.
 *
 * @throws BuildError `DOWNLOAD_FAILED`, `CANCELLED`.
 */
export async function downloadFile(request: DownloadRequest, context: RunContext): Promise<DownloadResult> {
  const { EnvHttpProxyAgent, request: send } = await import('undici');
  const dispatcher = new EnvHttpProxyAgent({ connections: 4, proxyTunnel: false });
  try {
    for (let attempt = 1; ; attempt += 1) {
      const result = await attemptDownload({ request, send, dispatcher }, context);
      if (!(result instanceof Retry)) return result;
      if (attempt === MAX_ATTEMPTS) throw result.error;
      await delay(FIRST_DELAY_MS * 2 ** (attempt - 1), context.signal);
    }
  } finally {
    await dispatcher.destroy();
  }
}

/** A failure that may pass. */
class Retry {
  readonly error: BuildError;
  constructor(error: BuildError) {
    this.error = error;
  }
}

interface Attempt {
  readonly request: DownloadRequest;
  readonly send: typeof import('undici').request;
  readonly dispatcher: Dispatcher;
}

async function attemptDownload(attempt: Attempt, context: RunContext): Promise<DownloadResult | Retry> {
  const { controller, unlink } = linkedAbort(context.signal);
  // A proxy that closes every tunnel is asked again and again by the client, without end.
  const silence = new Error(`there was no answer within ${ANSWER_TIMEOUT_MS / 1000} seconds`);
  const timer = setTimeout(() => controller.abort(silence), ANSWER_TIMEOUT_MS);
  try {
    const response = await follow(attempt, controller.signal);
    clearTimeout(timer);
    const { statusCode, body } = response;
    if (statusCode === 304) {
      await body.dump();
      return { kind: 'unchanged' };
    }
    if (statusCode === 200) return await receive(attempt.request, response, context);
    await body.dump();
    const error = refused(attempt.request.url, statusCode);
    if (statusCode >= 500 || statusCode === 429) return new Retry(error);
    throw error;
  } catch (error) {
    if (context.signal.aborted || error instanceof BuildError)
      throw toBuildError(context.signal.aborted ? abortError(error) : error);
    return new Retry(unreachable(attempt.request.url, error));
  } finally {
    clearTimeout(timer);
    unlink();
  }
}

async function follow({ request, send, dispatcher }: Attempt, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  const first = new URL(request.url);
  let url = first;
  for (let count = 0; count <= MAX_REDIRECTS; count += 1) {
    const target = new URL(url);
    target.username = '';
    target.password = '';
    const headers = {
      'user-agent': 'zlayer-builder',
      'accept-encoding': 'identity',
      ...authorizationOf(request, { first, url }),
      ...conditionsOf(request.validators),
    };
    const response = await send(target, { dispatcher, headers, signal });
    const location = response.headers['location'];
    if (!REDIRECTS.includes(response.statusCode) || typeof location !== 'string') return response;
    await response.body.dump();
    url = new URL(location, url);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') break;
  }
  throw new BuildError(
    'DOWNLOAD_FAILED',
    `${redactUrl(request.url)} cannot be downloaded: it redirects too often, or away from http.`,
  );
}

/** The secret or the user info of the URL, for its own origin. */
function authorizationOf(
  { authorization }: DownloadRequest,
  { first, url }: { readonly first: URL; readonly url: URL },
): { readonly authorization?: string } {
  if (url.origin !== first.origin) return {};
  if (authorization !== undefined) return { authorization };
  if (first.username === '') return {};
  const text = `${decodeURIComponent(first.username)}:${decodeURIComponent(first.password)}`;
  return { authorization: `Basic ${Buffer.from(text).toString('base64')}` };
}

function conditionsOf({ etag, lastModified }: Validators): Record<string, string> {
  return {
    ...(etag === undefined ? {} : { 'if-none-match': etag }),
    ...(lastModified === undefined ? {} : { 'if-modified-since': lastModified }),
  };
}

async function receive(
  request: DownloadRequest,
  response: Dispatcher.ResponseData,
  context: RunContext,
): Promise<DownloadResult> {
  const sha256 = createDigester('sha256');
  const sha512 = request.alsoSha512 ? createDigester('sha512') : undefined;
  const length = Number(response.headers['content-length'] ?? Number.NaN);
  const progress = createProgress({ request, totalBytes: length >= 0 ? length : undefined }, context);
  const file = await open(request.destination, 'w', 0o600);
  let sizeBytes = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      sha256.update(chunk);
      sha512?.update(chunk);
      await file.writeFile(chunk);
      sizeBytes += chunk.length;
      progress.add(chunk.length);
    }
  } finally {
    await file.close();
    progress.end();
  }
  if (length >= 0 && length !== sizeBytes) throw new Error(`${sizeBytes} of ${length} bytes came`);
  return {
    kind: 'downloaded',
    digest: sha256.digest(),
    ...(sha512 === undefined ? {} : { sha512: sha512.digest() }),
    sizeBytes,
    validators: { etag: textOf(response.headers['etag']), lastModified: textOf(response.headers['last-modified']) },
  };
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

function createProgress(
  { request, totalBytes }: { readonly request: DownloadRequest; readonly totalBytes: number | undefined },
  { emit }: RunContext,
): { add(bytes: number): void; end(): void } {
  const { vertex } = request;
  const total = totalBytes === undefined ? {} : { totalBytes };
  let currentBytes = 0;
  let shown = 0;
  const show = (done: boolean): void => {
    shown = currentBytes;
    const name = redactUrl(request.url);
    emit({
      kind: 'transfer',
      time: Date.now(),
      id: `download ${vertex}`,
      direction: 'download',
      name,
      vertex,
      currentBytes,
      ...total,
      done,
    });
  };
  return {
    add: (bytes) => {
      currentBytes += bytes;
      if (currentBytes - shown >= PROGRESS_BYTES) show(false);
    },
    end: () => show(true),
  };
}

function refused(url: string, status: number): BuildError {
  const hints: Readonly<Record<number, string>> = {
    401: `The server wants credentials: give a token with --secret id=HTTP_AUTH_TOKEN_${hostOf(url)}, or a whole header value with --secret id=HTTP_AUTH_HEADER_${hostOf(url)}.`,
    403: `The server does not allow it. Credentials are given with --secret id=HTTP_AUTH_TOKEN_${hostOf(url)}.`,
    404: 'There is no such file on the server: check the address.',
  };
  return new BuildError('DOWNLOAD_FAILED', `${redactUrl(url)} cannot be downloaded: the server answered ${status}.`, {
    hint: hints[status],
  });
}

function hostOf(url: string): string {
  return new URL(url).host;
}

function unreachable(url: string, error: unknown): BuildError {
  return new BuildError('DOWNLOAD_FAILED', `${redactUrl(url)} cannot be downloaded: ${(error as Error).message}`, {
    cause: error,
    hint: 'Check the address, the network, and HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment.',
  });
}

function abortError(cause: unknown): Error {
  const error = new Error('The download was cancelled.', { cause });
  error.name = 'AbortError';
  return error;
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}
