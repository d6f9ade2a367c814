import { BuildError, isBuildError, type RunContext } from '../core/index.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { type Endpoint, type Hosts, isInsecureHost, tlsOptionsOf } from './endpoint.ts';
import { mergeScopes, type Scope } from './scope.ts';
import { type AccessToken, basicHeader, fetchToken, type TokenDeps, type TokenRequest } from './token.ts';
import type { CredentialProvider, Credentials } from './types.ts';

/** Knows what to send as `Authorization`, per registry and right. */
export interface Authorizer {
  /** What to send with a request's first try, where earlier answers of the registry told how. */
  header(endpoint: Endpoint, scopes: readonly Scope[], context: RunContext): Promise<string | undefined>;
  /** Answers a 401. Undefined when there is nothing that was not tried. */
  answer(endpoint: Endpoint, refusal: AuthRefusal, context: RunContext): Promise<string | undefined>;
  /** Where the endpoint's credentials came from, for messages. */
  source(endpoint: Endpoint): Promise<string>;
}

/** A 401 as the authorizer sees it. */
export interface AuthRefusal {
  readonly url: URL;
  readonly challenge: string | undefined;
  readonly scopes: readonly Scope[];
  /** The `Authorization` value that was refused. */
  readonly tried: string | undefined;
}

export interface AuthorizerDeps extends TokenDeps {
  readonly credentials: CredentialProvider;
  readonly hosts: Hosts;
}

type Resolved = Awaited<ReturnType<CredentialProvider['resolve']>>;

/** Tokens that end this soon are not used any more. */
const EXPIRY_MARGIN_MS = 5_000;

/** Tokens and challenges are kept for the life of the client; credentials are asked for once per repository. */
export function createAuthorizer(deps: AuthorizerDeps): Authorizer {
  const challenges = new Map<string, { readonly challenge: Challenge; readonly realmBase: URL }>();
  const credentials = new Map<string, Promise<Resolved>>();
  const tokens = createTokenCache(deps);

  const resolve = (endpoint: Endpoint): Promise<Resolved> => {
    const key = `${endpoint.registry}/${endpoint.repository}`;
    const known = credentials.get(key) ?? resolveCredentials(deps, endpoint);
    credentials.set(key, known);
    known.catch(() => credentials.delete(key));
    return known;
  };

  const headerFor = async (
    endpoint: Endpoint,
    use: {
      readonly challenge: Challenge;
      readonly base: URL;
      readonly scopes: readonly Scope[];
      readonly refused?: string;
    },
    context: RunContext,
  ): Promise<string | undefined> => {
    const resolved = await resolve(endpoint);
    const { challenge } = use;
    if (challenge.scheme === 'basic') return basicOf(resolved.credentials);
    if (resolved.credentials.kind === 'bearer') return `Bearer ${resolved.credentials.token}`;
    const request = tokenRequest(deps, { endpoint, ...use, resolved });
    return `Bearer ${await tokens.get(request, use.refused, context)}`;
  };

  return {
    header: async (endpoint, scopes, context) => {
      const known = challenges.get(endpoint.host);
      if (known === undefined) return undefined;
      return headerFor(endpoint, { challenge: known.challenge, base: known.realmBase, scopes }, context);
    },
    answer: async (endpoint, refusal, context) => {
      for (const challenge of usableChallenges(refusal.challenge)) {
        const refused = refusal.tried === undefined ? {} : { refused: refusal.tried };
        const use = { challenge, base: refusal.url, scopes: refusal.scopes, ...refused };
        const header = await headerFor(endpoint, use, context);
        if (header === undefined || header === refusal.tried) continue;
        challenges.set(endpoint.host, { challenge: withoutScope(challenge), realmBase: refusal.url });
        return header;
      }
      return undefined;
    },
    source: async (endpoint) => (await resolve(endpoint)).source,
  };
}

/** Bearer first: where both are offered, Basic is for what cannot do tokens. */
function usableChallenges(header: string | undefined): readonly Challenge[] {
  const challenges = parseChallenges(header ?? '');
  return ['bearer', 'basic'].flatMap((scheme) => challenges.filter((challenge) => challenge.scheme === scheme));
}

/** A challenge for any repository of its host: whether it names scopes stays, which ones does not. */
function withoutScope({ scheme, parameters }: Challenge): Challenge {
  return { scheme, parameters: parameters.scope === undefined ? parameters : { ...parameters, scope: '' } };
}

async function resolveCredentials(deps: AuthorizerDeps, { registry, repository }: Endpoint): Promise<Resolved> {
  const resolved = await deps.credentials.resolve({ registry, repository });
  const found = resolved.credentials;
  if (found.kind === 'basic') {
    deps.redactor.addSecret(found.password);
    deps.redactor.addSecret(basicHeader(found.username, found.password).slice('Basic '.length));
  } else if (found.kind !== 'anonymous') deps.redactor.addSecret(found.token);
  return resolved;
}

function basicOf(credentials: Credentials): string | undefined {
  return credentials.kind === 'basic' ? basicHeader(credentials.username, credentials.password) : undefined;
}

function tokenRequest(
  deps: AuthorizerDeps,
  use: {
    readonly endpoint: Endpoint;
    readonly challenge: Challenge;
    readonly base: URL;
    readonly scopes: readonly Scope[];
    readonly resolved: Resolved;
  },
): TokenRequest {
  const { endpoint, challenge, resolved } = use;
  const realm = checkRealm(deps.hosts, endpoint, { realm: challenge.parameters.realm, base: use.base });
  // A registry that names no scope wants none (distribution-spec conformance; such registries refuse what they do not know).
  const named = challenge.parameters.scope;
  return {
    endpoint,
    realm,
    service: challenge.parameters.service,
    scopes: named === undefined ? [] : mergeScopes([...use.scopes, ...named.split(' ')]),
    credentials: resolved.credentials,
    credentialSource: resolved.source,
    tls: realm.hostname === use.base.hostname ? endpoint.tls : tlsOptionsOf(deps.hosts, realm.host),
  };
}

/**
 * A token server may be any HTTPS host, as the protocol wants it. Plain HTTP is for a registry that may use it itself, and
 * then for the same machine or another one that may: no password goes over a foreign network in clear text.
 */
function checkRealm(
  hosts: Hosts,
  endpoint: Endpoint,
  { realm, base }: { readonly realm: string | undefined; readonly base: URL },
): URL {
  const url = realm !== undefined && URL.canParse(realm, base.href) ? new URL(realm, base) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new BuildError(
      'REGISTRY_PROTOCOL',
      `${endpoint.registry} asks for a login without saying where (no valid realm).`,
    );
  }
  const mayBePlain = endpoint.insecure && (url.hostname === base.hostname || isInsecureHost(hosts, url.host));
  if (url.protocol === 'http:' && !mayBePlain) {
    throw new BuildError(
      'REGISTRY_PROTOCOL',
      `${endpoint.registry} asks for a login over plain HTTP at ${url.host}; credentials are not sent there.`,
      { hint: 'Use a registry whose token server speaks HTTPS.' },
    );
  }
  url.username = '';
  url.password = '';
  url.hash = '';
  return url;
}

interface TokenCache {
  /** `refused`: an Authorization value that must not be given out again. */
  get(request: TokenRequest, refused: string | undefined, context: RunContext): Promise<string>;
}

function createTokenCache(deps: TokenDeps): TokenCache {
  const tokens = new Map<string, Promise<AccessToken>>();
  const usable = (token: AccessToken, refused: string | undefined): boolean =>
    `Bearer ${token.token}` !== refused && token.expiresAtMs - EXPIRY_MARGIN_MS > deps.timing.now();
  return {
    get: async (request, refused, context) => {
      const key = JSON.stringify([
        request.realm.href,
        request.service,
        request.scopes,
        request.endpoint.registry,
        request.credentials,
      ]);
      for (;;) {
        const known = tokens.get(key);
        const flight = known ?? fetchToken(deps, request, context);
        tokens.set(key, flight);
        try {
          const token = await flight;
          // One that was just fetched is used whatever its lifetime says.
          if (known === undefined || usable(token, refused)) return token.token;
          if (tokens.get(key) === flight) tokens.delete(key);
        } catch (error) {
          if (tokens.get(key) === flight) tokens.delete(key);
          // Another request asked for this token and was cancelled: ask again for ourselves.
          if (known === undefined || !isBuildError(error, 'CANCELLED')) throw error;
        }
      }
    },
  };
}
