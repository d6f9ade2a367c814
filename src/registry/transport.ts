import type { Agent, Dispatcher } from 'undici';
import { createSecureContext, type TlsOptions } from './secure-context.ts';

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

const CONNECTIONS_PER_ORIGIN = 16;
const DISCARD_LIMIT = 64 * 1024;
const USER_AGENT = 'zlayer-builder';

/** `localhost`, 127.0.0.0/8 and ::1. `hostname` as in a URL, an IPv6 address in brackets. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/i.test(hostname);
}

export function createTransport(options: TransportOptions): Transport {
  const dispatchers = new Map<string, Promise<Dispatcher>>();
  const dispatcherFor = (request: HttpRequest): Promise<Dispatcher> => {
    const direct = isLoopback(request.url.hostname);
    const key = JSON.stringify([direct, request.url.protocol, request.tls]);
    const known = dispatchers.get(key) ?? createDispatcher(options, { direct, request });
    dispatchers.set(key, known);
    return known;
  };
  return {
    send: async (request, signal) => {
      const dispatcher = await dispatcherFor(request);
      const answer = await dispatcher.request({
        origin: request.url.origin,
        path: `${request.url.pathname}${request.url.search}`,
        method: request.method,
        headers: { 'user-agent': USER_AGENT, ...request.headers },
        // undici takes any async iterable; its type names streams only.
        body: (request.body ?? null) as Uint8Array | null,
        signal,
        headersTimeout: options.timeouts.headersMs,
        bodyTimeout: options.timeouts.idleMs,
      });
      return toResponse(request.url, answer);
    },
    close: async () => {
      const open = [...dispatchers.values()];
      dispatchers.clear();
      await Promise.allSettled(open.map(async (dispatcher) => (await dispatcher).destroy()));
    },
  };
}

async function createDispatcher(
  { env, timeouts }: TransportOptions,
  target: { readonly direct: boolean; readonly request: HttpRequest },
): Promise<Dispatcher> {
  const { Agent, EnvHttpProxyAgent } = await import('undici');
  const { url, tls } = target.request;
  const connect = {
    timeout: timeouts.connectMs,
    ...(url.protocol === 'https:'
      ? { rejectUnauthorized: !tls.insecure, secureContext: await createSecureContext(tls, env) }
      : {}),
  };
  const shared: Agent.Options = { connect, connections: CONNECTIONS_PER_ORIGIN };
  if (target.direct) return new Agent(shared);
  return new EnvHttpProxyAgent({
    ...shared,
    requestTls: connect,
    // Plain HTTP is asked of the proxy itself: few proxies tunnel to port 80.
    proxyTunnel: false,
    httpProxy: env.http_proxy ?? env.HTTP_PROXY ?? '',
    httpsProxy: env.https_proxy ?? env.HTTPS_PROXY ?? '',
    noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
  });
}

function toResponse(url: URL, answer: Dispatcher.ResponseData): HttpResponse {
  return {
    url,
    status: answer.statusCode,
    header: (name) => {
      const value = answer.headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: answer.body,
    discard: () => answer.body.dump({ limit: DISCARD_LIMIT }).catch(() => undefined),
  };
}
