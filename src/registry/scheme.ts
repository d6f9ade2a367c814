import { BuildError, type RunContext } from '../core/index.ts';
import type { Endpoint } from './endpoint.ts';
import { classifyNetworkError, describeNetworkError, networkErrorHint } from './network-error.ts';
import { type Attempt, retry, type Timing } from './retry.ts';
import type { Transport } from './transport.ts';

export interface SchemeDeps {
  readonly transport: Transport;
  readonly timing: Timing;
}

/** Finds out whether a host speaks HTTPS or plain HTTP. */
export interface SchemeResolver {
  /** The URL up to `/v2/`; asks the network only for hosts that may speak plain HTTP, and remembers what it found. */
  baseUrl(endpoint: Endpoint, context: RunContext): Promise<URL>;
}

const ATTEMPTS_WHEN_REFUSED = 2;

export function createSchemeResolver(deps: SchemeDeps): SchemeResolver {
  const known = new Map<string, Promise<URL>>();
  return {
    baseUrl: async (endpoint, context) => {
      if (endpoint.scheme !== undefined) return new URL(`${endpoint.scheme}://${endpoint.host}/v2/`);
      for (;;) {
        const search = known.get(endpoint.host) ?? findBaseUrl(deps, endpoint, context);
        known.set(endpoint.host, search);
        try {
          return await search;
        } catch (error) {
          if (known.get(endpoint.host) === search) known.delete(endpoint.host);
          // Somebody else began the search and was cancelled: that is not our end.
          if (!(error instanceof BuildError && error.code === 'CANCELLED') || context.signal.aborted) throw error;
        }
      }
    },
  };
}

function findBaseUrl(deps: SchemeDeps, endpoint: Endpoint, context: RunContext): Promise<URL> {
  const attempt = async (): Promise<Attempt<URL>> => {
    const errors: unknown[] = [];
    for (const scheme of ['https', 'http']) {
      const url = new URL(`${scheme}://${endpoint.host}/v2/`);
      try {
        const request = { url, method: 'GET', headers: {}, tls: endpoint.tls } as const;
        await (await deps.transport.send(request, context.signal)).discard();
        return { kind: 'done', value: url };
      } catch (error) {
        if (context.signal.aborted) throw new BuildError('CANCELLED', 'The operation was cancelled.', { cause: error });
        errors.push(error);
      }
    }
    // The second failure is that of plain HTTP, which is what such hosts mostly speak.
    return { kind: 'failed', error: toUnreachableError(endpoint, errors), attemptsAllowed: attemptsFor(errors[1]) };
  };
  return retry(deps.timing, attempt, context.signal);
}

function attemptsFor(error: unknown): number {
  const failure = classifyNetworkError(error);
  if (failure === 'refused') return ATTEMPTS_WHEN_REFUSED;
  return failure === 'transient' ? 3 : 1;
}

function toUnreachableError(endpoint: Endpoint, errors: readonly unknown[]): BuildError {
  const [https, http] = errors;
  const reasons = [...new Set([`HTTPS: ${describeNetworkError(https)}`, `HTTP: ${describeNetworkError(http)}`])].join(
    '; ',
  );
  return new BuildError('REGISTRY_UNAVAILABLE', `Could not reach ${endpoint.registry}: ${reasons}.`, {
    cause: http,
    hint: networkErrorHint(http, endpoint.registry),
  });
}
