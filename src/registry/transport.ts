import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { createAgent, endOf } from './connections.ts';
import { NetworkError } from './network-error.ts';
import { proxyAuthorization, proxyFor } from './proxy.ts';
import type { TlsOptions } from './secure-context.ts';

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Bytes of a request. A stream needs a `content-length` header beside it. */
export type HttpBody = Uint8Array | AsyncIterable<Uint8Array>;

/** One request, sent once: no redirect is followed, nothing is repeated. */
export interface HttpRequest {
  readonly url: URL;
  readonly method: HttpMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: HttpBody | undefined;
  readonly tls: TlsOptions;
}

export interface HttpResponse {
  readonly url: URL;
  readonly status: number;
  /** Several lines of one header are joined by commas. */
  header(name: string): string | undefined;
  /** Must be read to its end, left by `break`, or discarded. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Reads over a short body, so that the connection can be used again. Never throws. */
  discard(): Promise<void>;
}

/** Milliseconds. */
export interface Timeouts {
  /** Until the connection stands, TLS included. Default 15 s. */
  readonly connectMs: number;
  /** From the last byte sent to the answer's headers. Default 120 s: some registries verify an upload before they answer. */
  readonly headersMs: number;
  /** Without any byte of a body. Default 60 s. */
  readonly idleMs: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 15_000, headersMs: 120_000, idleMs: 60_000 };

/** Sends single HTTP requests over kept connections, through the proxies that the environment names. */
export interface Transport {
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  close(): Promise<void>;
}

export interface TransportOptions {
  readonly timeouts: Timeouts;
  /** `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, also in lower case; `SSL_CERT_FILE`. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

const DISCARD_LIMIT = 64 * 1024;
const USER_AGENT = 'zlayer-builder';

/** Connections are made when they are first used. Nothing of this is loaded by who asks no registry. */
export function createTransport({ timeouts, env }: TransportOptions): Transport {
  const agents = new Map<string, Promise<Agent>>();
  const agentFor = (request: HttpRequest, proxy: URL | undefined): Promise<Agent> => {
    const { protocol } = request.url;
    const key = JSON.stringify([protocol, proxy?.href, request.tls]);
    const known = agents.get(key) ?? createAgent({ protocol, proxy, tls: request.tls }, { ...timeouts, env });
    agents.set(key, known);
    return known;
  };
  return {
    send: async (request, signal) => {
      const proxy = proxyFor(request.url, env);
      const agent = await agentFor(request, proxy);
      const options = { ...optionsOf(request, proxy), agent, signal };
      const sent = await open(options);
      const answer = await receive(sent, request, timeouts);
      return toResponse(request.url, { sent, answer, timeouts });
    },
    close: async () => {
      const open = [...agents.values()];
      agents.clear();
      await Promise.allSettled(open.map(async (agent) => (await agent).destroy()));
    },
  };
}

/** A proxy of plain HTTP is asked for the whole URL. */
function optionsOf({ url, method, headers }: HttpRequest, proxy: URL | undefined): RequestOptions {
  const path = `${url.pathname}${url.search}`;
  const sent = { 'user-agent': USER_AGENT, ...headers };
  if (proxy === undefined || url.protocol === 'https:') return { ...endOf(url), path, method, headers: sent };
  const authorization = proxyAuthorization(proxy);
  return {
    ...endOf(proxy),
    path: `${url.origin}${path}`,
    method,
    headers: {
      ...sent,
      host: url.host,
      ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
    },
  };
}

async function open(options: RequestOptions): Promise<ClientRequest> {
  const { request } = options.protocol === 'https:' ? await import('node:https') : await import('node:http');
  return request(options);
}

/** Sends the body, and waits for the answer's headers: a server may answer before it has read everything. */
async function receive(sent: ClientRequest, { body, url }: HttpRequest, timeouts: Timeouts): Promise<IncomingMessage> {
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve);
    // Not once: what fails after the answer is told by its body.
    sent.on('error', reject);
  });
  limitConnecting(sent, timeouts.connectMs);
  sent.setTimeout(timeouts.headersMs, () => {
    sent.destroy(new NetworkError('HEADERS_TIMEOUT', `${url.host} does not answer`));
  });
  if (body === undefined || body instanceof Uint8Array) sent.end(body);
  else await Promise.race([answered, sendBody(sent, body)]);
  const answer = await answered;
  sent.setTimeout(0);
  return answer;
}

/** A failure of the body itself ends the request with that error; the end of the connection ends the body. */
async function sendBody(sent: ClientRequest, body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of body) {
      if (sent.destroyed) return;
      if (!sent.write(chunk)) await untilDrained(sent);
    }
    sent.end();
  } catch (error) {
    sent.destroy(error as Error);
  }
}

function untilDrained(sent: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      sent.off('drain', go);
      sent.off('close', go);
      resolve();
    };
    sent.once('drain', go);
    sent.once('close', go);
    if (sent.destroyed) go();
  });
}

function limitConnecting(sent: ClientRequest, connectMs: number): void {
  sent.once('socket', (socket) => {
    const isSecure = 'encrypted' in socket;
    const isReady = isSecure
      ? (socket as { getProtocol?: () => unknown }).getProtocol?.() !== null
      : !socket.connecting;
    if (isReady) return;
    const timer = setTimeout(() => {
      sent.destroy(new NetworkError('CONNECT_TIMEOUT', 'the connection could not be made in time'));
    }, connectMs);
    for (const event of [isSecure ? 'secureConnect' : 'connect', 'close'])
      socket.once(event, () => clearTimeout(timer));
  });
}

function toResponse(
  url: URL,
  {
    sent,
    answer,
    timeouts,
  }: { readonly sent: ClientRequest; readonly answer: IncomingMessage; readonly timeouts: Timeouts },
): HttpResponse {
  return {
    url,
    status: answer.statusCode ?? 0,
    header: (name) => {
      const value = answer.headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: bodyOf(answer, timeouts.idleMs),
    discard: async () => {
      // The rest of a request that was refused is of no use to anybody.
      if (!sent.writableFinished) sent.destroy();
      let left = DISCARD_LIMIT;
      try {
        for await (const chunk of bodyOf(answer, timeouts.idleMs)) {
          left -= chunk.length;
          if (left < 0) return;
        }
      } catch {
        // The connection is gone, which is as good.
      }
    },
  };
}

/** Time counts while bytes are waited for alone: a slow reader is no idle server. */
async function* bodyOf(answer: IncomingMessage, idleMs: number): AsyncGenerator<Uint8Array> {
  let isWaiting = true;
  const timer = setTimeout(() => {
    if (isWaiting) answer.destroy(new NetworkError('BODY_TIMEOUT', 'the transfer stood still for too long'));
  }, idleMs);
  try {
    for await (const chunk of answer as AsyncIterable<Uint8Array>) {
      isWaiting = false;
      yield chunk;
      isWaiting = true;
      timer.refresh();
    }
  } finally {
    clearTimeout(timer);
  }
}
