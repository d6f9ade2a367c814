import { BuildError } from '../core/index.ts';
import type { Endpoint } from './endpoint.ts';
import type { HttpMethod, HttpResponse } from './transport.ts';

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Where an answer sends the request on, and with which method. Undefined when it does not. */
export function redirectOf(
  response: HttpResponse,
  method: HttpMethod,
): { readonly location: string; readonly method: HttpMethod } | undefined {
  const location = response.header('location');
  if (!REDIRECTS.has(response.status) || location === undefined) return undefined;
  // A registry that moves a POST or PUT means the same request elsewhere; only 303 says "and now read there".
  return { location, method: response.status === 303 && method !== 'HEAD' ? 'GET' : method };
}

/**
 * Resolves a `Location` of a registry against the URL that was asked. A registry behind a TLS proxy may name itself with
 * `http:`; that is corrected.
 *
 * @throws BuildError `REGISTRY_PROTOCOL` when the target is no HTTP URL, or leaves HTTPS for plain HTTP.
 */
export function resolveLocation(endpoint: Endpoint, location: string, base: URL): URL {
  const target = URL.canParse(location, base.href) ? new URL(location, base) : undefined;
  if (target === undefined || !/^https?:$/.test(target.protocol)) {
    throw new BuildError('REGISTRY_PROTOCOL', `${endpoint.registry} sent a Location that is no HTTP URL.`);
  }
  target.username = '';
  target.password = '';
  target.hash = '';
  if (base.protocol === 'http:' || target.protocol === 'https:') return target;
  if (target.hostname === base.hostname && (target.port === '' || target.port === base.port)) {
    return new URL(`${base.origin}${target.pathname}${target.search}`);
  }
  if (endpoint.insecure) return target;
  throw new BuildError(
    'REGISTRY_PROTOCOL',
    `${endpoint.registry} sends the transfer on to plain HTTP at ${target.host}, which is not followed.`,
    { hint: `Mark ${endpoint.registry} as insecure in registries.conf when that is meant so.` },
  );
}
