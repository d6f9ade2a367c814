import { BuildError, type RunContext } from '../core/index.ts';
import type { Endpoint } from './endpoint.ts';
import type { Redactor } from './redact.ts';
import { readBytes, readRefusal, toRefusalError } from './response-error.ts';
import type { Timing } from './retry.ts';
import type { Scope } from './scope.ts';
import type { HttpRequest, HttpResponse } from './transport.ts';
import type { Credentials } from './types.ts';

/** An access token as a token server gave it out. */
export interface AccessToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

export interface TokenDeps {
  /** Sends with retries, and follows redirects within one origin. */
  readonly send: (request: HttpRequest, context: RunContext) => Promise<HttpResponse>;
  readonly redactor: Redactor;
  readonly timing: Timing;
}

export interface TokenRequest {
  readonly endpoint: Endpoint;
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly Scope[];
  readonly credentials: Credentials;
  readonly credentialSource: string;
  readonly tls: HttpRequest['tls'];
}

const CLIENT_ID = 'zlayer-builder';
const TOKEN_LIMIT = 1024 * 1024;
/** What the token protocol says where `expires_in` is missing. */
const DEFAULT_LIFETIME_S = 60;

/**
 * Asks a token server for an access token: GET with Basic credentials, or POST with a refresh token for identity tokens
 * (Docker's token and OAuth2 protocols). Where the server knows only the other way, that one is taken.
 */
export async function fetchToken(deps: TokenDeps, request: TokenRequest, context: RunContext): Promise<AccessToken> {
  const [first, second] =
    request.credentials.kind === 'identity-token' ? [postRequest, getRequest] : [getRequest, postRequest];
  let response = await deps.send(first(request), context);
  if ((response.status === 404 || response.status === 405) && request.credentials.kind !== 'anonymous') {
    await response.discard();
    response = await deps.send(second(request), context);
  }
  if (response.status !== 200) throw await refused(deps, request, response);
  return readToken(deps, request, await readBytes(response.body, TOKEN_LIMIT));
}

function getRequest({ realm, service, scopes, credentials, tls }: TokenRequest): HttpRequest {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const user =
    credentials.kind === 'basic'
      ? credentials
      : credentials.kind === 'identity-token'
        ? { username: credentials.username ?? '<token>', password: credentials.token }
        : undefined;
  if (credentials.kind === 'basic') url.searchParams.set('account', credentials.username);
  const authorization: Record<string, string> =
    user === undefined ? {} : { authorization: basicHeader(user.username, user.password) };
  return { url, method: 'GET', headers: { accept: 'application/json', ...authorization }, tls };
}

function postRequest({ realm, service, scopes, credentials, tls }: TokenRequest): HttpRequest {
  const form = new URLSearchParams({ client_id: CLIENT_ID, service: service ?? realm.host });
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  if (credentials.kind === 'identity-token') {
    form.set('grant_type', 'refresh_token');
    form.set('refresh_token', credentials.token);
  } else if (credentials.kind === 'basic') {
    form.set('grant_type', 'password');
    form.set('username', credentials.username);
    form.set('password', credentials.password);
  }
  const body = Buffer.from(form.toString());
  const headers = {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(body.length),
  };
  return { url: realm, method: 'POST', headers, body, tls };
}

/** The value of an `Authorization` header for Basic authentication (RFC 7617, UTF-8). */
export function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

function readToken(deps: TokenDeps, request: TokenRequest, body: Buffer | undefined): AccessToken {
  const fields = parseObject(body);
  // Both names are in use; `access_token` is the one of OAuth2 and wins.
  const token = [fields.access_token, fields.token].find((value) => typeof value === 'string' && value !== '');
  if (typeof token !== 'string' || /[\s\u0000-\u001f]/.test(token)) {
    throw new BuildError(
      'REGISTRY_PROTOCOL',
      `Could not log in to ${request.endpoint.registry}: ${request.realm.origin} answered without a token.`,
    );
  }
  deps.redactor.addSecret(token);
  const lifetime = Number(fields.expires_in);
  const seconds = Number.isFinite(lifetime) && lifetime > 0 ? lifetime : DEFAULT_LIFETIME_S;
  return { token, expiresAtMs: deps.timing.now() + seconds * 1000 };
}

function parseObject(body: Buffer | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body?.toString('utf8') ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

async function refused(deps: TokenDeps, request: TokenRequest, response: HttpResponse): Promise<BuildError> {
  const refusal = await readRefusal(response, deps);
  const login = { ...refusal, status: refusal.status === 400 ? 401 : refusal.status };
  return toRefusalError(login, {
    purpose: `log in to ${request.endpoint.registry}`,
    endpoint: request.endpoint,
    method: 'a token request at',
    path: `${request.realm.origin}${request.realm.pathname}`,
    credentialSource: request.credentialSource,
  });
}
