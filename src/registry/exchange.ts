import { BuildError, isBuildError, type RunContext, throwIfCancelled } from '../core/index.ts';
import type { Authorizer } from './authorizer.ts';
import { type Endpoint, type Hosts, tlsOptionsOf } from './endpoint.ts';
import { classifyNetworkError, describeNetworkError, networkErrorHint } from './network-error.ts';
import type { Redactor } from './redact.ts';
import { redirectOf, resolveLocation } from './redirect.ts';
import { readBytes, readRefusal, toRefusalError } from './response-error.ts';
import {
  type Attempt,
  isTransientStatus,
  LONGEST_RETRY_AFTER_MS,
  parseRetryAfter,
  retry,
  type Timing,
} from './retry.ts';
import type { SchemeResolver } from './scheme.ts';
import type { Scope } from './scope.ts';
import type { HttpBody, HttpMethod, HttpRequest, HttpResponse, Transport } from './transport.ts';

/** One question to a registry. */
export interface RegistryRequest {
  /** Completes "Could not …" in errors. */
  readonly purpose: string;
  readonly method: HttpMethod;
  /** Below `/v2/`; or a URL that the registry gave. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Opened anew each time the request is sent. */
  readonly body?: () => HttpBody;
  readonly scopes: readonly Scope[];
  /** Statuses that are answers; all others are errors. */
  readonly expect: readonly number[];
  /** What an unexpected 404 means. */
  readonly notFound?: 'IMAGE_NOT_FOUND';
  /** How often it may be sent; default the client's `maxAttempts`. */
  readonly attempts?: number;
}

/** An answer with its body in memory. */
export interface BufferedResponse {
  readonly response: HttpResponse;
  readonly bytes: Buffer;
}

/** Questions and answers with one client's registries: authorized, redirected by hand, retried, errors translated. */
export interface Exchange {
  /** The body of the answer is the caller's to read. */
  send(endpoint: Endpoint, request: RegistryRequest, context: RunContext): Promise<HttpResponse>;
  /** Reads a small body (at most `limit` bytes) as part of the exchange: a connection lost meanwhile is retried. */
  fetch(
    endpoint: Endpoint,
    request: RegistryRequest & { readonly limit: number },
    context: RunContext,
  ): Promise<BufferedResponse>;
}

export interface ExchangeDeps {
  readonly transport: Transport;
  readonly schemes: SchemeResolver;
  readonly authorizer: Authorizer;
  readonly redactor: Redactor;
  readonly timing: Timing;
  readonly hosts: Hosts;
  readonly maxAttempts: number;
}

const MOST_REDIRECTS = 10;
/** A stale token, then a right that turned out to be needed. */
const MOST_LOGINS = 2;
const ATTEMPTS_WHEN_REFUSED = 3;

export function createExchange(deps: ExchangeDeps): Exchange {
  const warned = new Set<string>();
  const run = async <T>(
    endpoint: Endpoint,
    request: RegistryRequest,
    read: (response: HttpResponse) => Promise<T>,
    context: RunContext,
  ): Promise<T> => {
    const attempt = async (): Promise<Attempt<T>> => {
      try {
        const response = await sendAuthorized(deps, { endpoint, request }, context);
        reportWarning(response, { endpoint, warned }, context);
        if (request.expect.includes(response.status)) return { kind: 'done', value: await read(response) };
        return await refused(deps, { endpoint, request, response }, context);
      } catch (error) {
        return networkFailed(deps, { endpoint, request, error }, context);
      }
    };
    return retry(deps.timing, attempt, context.signal);
  };
  return {
    send: (endpoint, request, context) => run(endpoint, request, (response) => Promise.resolve(response), context),
    fetch: (endpoint, request, context) =>
      run(endpoint, request, (response) => readSmall(response, { endpoint, ...request }), context),
  };
}

async function readSmall(
  response: HttpResponse,
  request: { readonly endpoint: Endpoint; readonly purpose: string; readonly limit: number },
): Promise<BufferedResponse> {
  const bytes = await readBytes(response.body, request.limit);
  if (bytes !== undefined) return { response, bytes };
  throw new BuildError(
    'REGISTRY_PROTOCOL',
    `Could not ${request.purpose}: ${request.endpoint.registry} sent more than ${request.limit} bytes.`,
  );
}

async function sendAuthorized(
  deps: ExchangeDeps,
  asked: { readonly endpoint: Endpoint; readonly request: RegistryRequest },
  context: RunContext,
): Promise<HttpResponse> {
  const { endpoint, request } = asked;
  const base = await deps.schemes.baseUrl(endpoint, context);
  let authorization = await deps.authorizer.header(endpoint, request.scopes, context);
  for (let logins = 0; ; logins += 1) {
    const response = await sendFollowing(deps, { ...asked, base, authorization }, context);
    if (response.status !== 401 || response.url.origin !== base.origin || logins === MOST_LOGINS) return response;
    const challenge = response.header('www-authenticate');
    const refusal = { url: response.url, challenge, scopes: request.scopes, tried: authorization };
    const next = await deps.authorizer.answer(endpoint, refusal, context);
    if (next === undefined) return response;
    await response.discard();
    authorization = next;
  }
}

/** Follows redirects. `Authorization` goes to the origin of the registry alone. */
async function sendFollowing(
  deps: ExchangeDeps,
  asked: {
    readonly endpoint: Endpoint;
    readonly request: RegistryRequest;
    readonly base: URL;
    readonly authorization: string | undefined;
  },
  context: RunContext,
): Promise<HttpResponse> {
  const { endpoint, request, base, authorization } = asked;
  let url = typeof request.target === 'string' ? new URL(request.target, base) : request.target;
  let { method } = request;
  for (let hops = 0; ; hops += 1) {
    const isHome = url.origin === base.origin;
    const body = method === request.method ? request.body?.() : undefined;
    const message: HttpRequest = {
      url,
      method,
      headers: { ...request.headers, ...(isHome && authorization !== undefined ? { authorization } : {}) },
      body,
      tls: url.hostname === base.hostname ? endpoint.tls : tlsOptionsOf(deps.hosts, url.host),
    };
    const response = await deps.transport.send(message, context.signal);
    const redirect = redirectOf(response, method);
    if (redirect === undefined) return response;
    await response.discard();
    if (hops === MOST_REDIRECTS) {
      throw new BuildError(
        'REGISTRY_PROTOCOL',
        `Could not ${request.purpose}: ${endpoint.registry} redirects without end.`,
      );
    }
    url = resolveLocation(endpoint, redirect.location, url);
    method = redirect.method;
  }
}

async function refused<T>(
  deps: ExchangeDeps,
  { endpoint, request, response }: { endpoint: Endpoint; request: RegistryRequest; response: HttpResponse },
  context: RunContext,
): Promise<Attempt<T>> {
  const refusal = await readRefusal(response, deps);
  throwIfCancelled(context.signal);
  const error = toRefusalError(refusal, {
    purpose: request.purpose,
    endpoint,
    method: request.method,
    path: response.url.pathname,
    notFound: request.notFound,
    credentialSource: await deps.authorizer.source(endpoint),
  });
  const waitMs = refusal.retryAfterMs;
  const attemptsAllowed = isTransientStatus(refusal.status) ? (request.attempts ?? deps.maxAttempts) : 1;
  return { kind: 'failed', error, attemptsAllowed, ...(waitMs === undefined ? {} : { waitMs }) };
}

function networkFailed<T>(
  deps: ExchangeDeps,
  { endpoint, request, error }: { endpoint: Endpoint; request: RegistryRequest; error: unknown },
  context: RunContext,
): Attempt<T> {
  throwIfCancelled(context.signal);
  const failure = isBuildError(error) ? undefined : classifyNetworkError(error);
  if (failure === undefined) throw error;
  const attempts = request.attempts ?? deps.maxAttempts;
  return {
    kind: 'failed',
    error: toUnavailableError(deps, { endpoint, purpose: request.purpose, error }),
    attemptsAllowed: { transient: attempts, refused: Math.min(attempts, ATTEMPTS_WHEN_REFUSED), permanent: 1 }[failure],
  };
}

/** The error for a connection that could not be made, or was lost once too often. */
export function toUnavailableError(
  { redactor }: { readonly redactor: Redactor },
  failed: { readonly endpoint: Endpoint; readonly purpose: string; readonly error: unknown },
): BuildError {
  const { endpoint, purpose, error } = failed;
  const reason = redactor.redact(describeNetworkError(error));
  return new BuildError('REGISTRY_UNAVAILABLE', `Could not ${purpose}: ${endpoint.registry} failed, ${reason}.`, {
    cause: error,
    hint: networkErrorHint(error, endpoint.registry),
  });
}

/** Passes the registry's `Warning: 299 - "…"` on, each text once. */
function reportWarning(
  response: HttpResponse,
  { endpoint, warned }: { readonly endpoint: Endpoint; readonly warned: Set<string> },
  context: RunContext,
): void {
  const header = response.header('warning');
  if (header === undefined) return;
  for (const [, quoted = ''] of header.matchAll(/\b299\s+\S+\s+"((?:[^"\\]|\\.)*)"/g)) {
    const text = quoted.replace(/\\(.)/g, '$1');
    const message = `${endpoint.registry}: ${text}`;
    if (text === '' || warned.has(message)) continue;
    warned.add(message);
    context.emit({ kind: 'warning', time: Date.now(), code: 'REGISTRY_WARNING', message });
  }
}

/** Sends a token request: retried like any other, redirected within its own origin only. */
export function createTokenSender(
  deps: Pick<ExchangeDeps, 'transport' | 'timing' | 'maxAttempts' | 'redactor'>,
): (request: HttpRequest, context: RunContext) => Promise<HttpResponse> {
  const sendOnce = async (request: HttpRequest, context: RunContext): Promise<HttpResponse> => {
    let { url } = request;
    for (let hops = 0; ; hops += 1) {
      const response = await deps.transport.send({ ...request, url }, context.signal);
      const location = redirectOf(response, request.method)?.location;
      if (location === undefined || !URL.canParse(location, url.href) || hops === MOST_REDIRECTS) return response;
      const target = new URL(location, url);
      if (target.origin !== url.origin) return response;
      await response.discard();
      url = target;
    }
  };
  return (request, context) => {
    const attempt = async (number: number): Promise<Attempt<HttpResponse>> => {
      try {
        const response = await sendOnce(request, context);
        const waitMs = parseRetryAfter(response.header('retry-after'), deps.timing.now()) ?? 0;
        const again =
          isTransientStatus(response.status) && number < deps.maxAttempts && waitMs <= LONGEST_RETRY_AFTER_MS;
        if (!again) return { kind: 'done', value: response };
        await response.discard();
        return { kind: 'failed', error: undefined, attemptsAllowed: deps.maxAttempts, waitMs };
      } catch (error) {
        throwIfCancelled(context.signal);
        const failure = classifyNetworkError(error);
        if (failure === undefined) throw error;
        const reason = deps.redactor.redact(describeNetworkError(error));
        return {
          kind: 'failed',
          error: new BuildError(
            'REGISTRY_UNAVAILABLE',
            `Could not get a token from ${request.url.origin}: ${reason}.`,
            {
              cause: error,
              hint: networkErrorHint(error, request.url.host),
            },
          ),
          attemptsAllowed: failure === 'transient' ? deps.maxAttempts : 1,
        };
      }
    };
    return retry(deps.timing, attempt, context.signal);
  };
}
