import { BuildError, formatReference, type Reference } from '../core/index.ts';
import { isLoopback } from './proxy.ts';
import type { TlsOptions } from './secure-context.ts';
import type { RegistryHostOptions, RegistryMirror } from './types.ts';

/** One place that serves a repository: the registry itself or a mirror of it. */
export interface Endpoint {
  readonly kind: 'origin' | 'mirror';
  /** Host as users and credential files write it. */
  readonly registry: string;
  /** Host and port as connected to. */
  readonly host: string;
  /** Name of the repository there. */
  readonly repository: string;
  /** Undefined: HTTPS, and plain HTTP where that fails (insecure and loopback hosts). */
  readonly scheme: 'https' | 'http' | undefined;
  /** Plain HTTP and unverified certificates are allowed. */
  readonly insecure: boolean;
  readonly tls: TlsOptions;
}

export type Hosts = Readonly<Record<string, RegistryHostOptions>>;

/** Docker Hub's API does not live at the host that references name. */
const CONNECT_HOSTS: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };

/**
 * Where a reference may be pulled from, mirrors first, the registry itself last.
 *
 * @throws BuildError `REGISTRY_DENIED` when the configuration blocks the registry.
 */
export function pullEndpoints(hosts: Hosts, reference: Reference): readonly Endpoint[] {
  const rule = findRule(hosts, reference);
  const origin = originEndpoint(hosts, reference);
  const byDigest = reference.digest !== undefined;
  const mirrors = (rule?.options.mirrors ?? [])
    .map((mirror): RegistryMirror => (typeof mirror === 'string' ? { url: mirror } : mirror))
    .filter(({ pullFrom = 'all' }) => pullFrom === 'all' || pullFrom === (byDigest ? 'digest-only' : 'tag-only'))
    .map((mirror) => mirrorEndpoint(hosts, mirror, restOf(rule?.prefix ?? reference.registry, reference)));
  return [...mirrors, origin];
}

/** The registry itself: where pushes and deletions go. @throws BuildError `REGISTRY_DENIED` when it is blocked. */
export function originEndpoint(hosts: Hosts, reference: Reference): Endpoint {
  const rule = findRule(hosts, reference);
  if (rule?.options.blocked === true) {
    throw new BuildError('REGISTRY_DENIED', `${formatReference(reference)} is blocked by the registry configuration.`, {
      hint: `Remove "blocked" for "${rule.prefix}" in registries.conf to use it.`,
    });
  }
  const location = rule?.options.location;
  const target = location === undefined ? nameOf(reference) : `${location}${restOf(rule!.prefix, reference, '/')}`;
  return endpointAt(hosts, { kind: 'origin', target, insecure: rule?.options.insecure === true });
}

/** An endpoint for a host alone, as `ping` needs it. */
export function hostEndpoint(hosts: Hosts, registry: string): Endpoint {
  return originEndpoint(hosts, { registry, repository: '' });
}

function mirrorEndpoint(hosts: Hosts, mirror: RegistryMirror, rest: string): Endpoint {
  const [, scheme, location = ''] = /^(?:(https?):\/\/)?(.*?)\/*$/.exec(mirror.url) ?? [];
  const insecure = mirror.insecure === true || scheme === 'http';
  const endpoint = endpointAt(hosts, { kind: 'mirror', target: `${location}/${rest}`, insecure });
  return scheme === undefined ? endpoint : { ...endpoint, scheme: scheme as 'https' | 'http' };
}

function endpointAt(
  hosts: Hosts,
  place: { readonly kind: Endpoint['kind']; readonly target: string; readonly insecure: boolean },
): Endpoint {
  const slash = place.target.indexOf('/');
  const registry = slash < 0 ? place.target : place.target.slice(0, slash);
  const host = CONNECT_HOSTS[registry] ?? registry;
  const insecure = place.insecure || isInsecureHost(hosts, host) || hosts[registry]?.insecure === true;
  return {
    kind: place.kind,
    registry,
    host,
    repository: slash < 0 ? '' : place.target.slice(slash + 1),
    scheme: insecure ? undefined : 'https',
    insecure,
    tls: { ...tlsOptionsOf(hosts, registry), insecure },
  };
}

/** True where plain HTTP is allowed without further ado: loopback, and hosts that are configured so. */
export function isInsecureHost(hosts: Hosts, host: string): boolean {
  return isLoopback(host.replace(/:\d+$/, '')) || hosts[host]?.insecure === true;
}

/** TLS settings of any host, such as one that a registry redirects to. */
export function tlsOptionsOf(hosts: Hosts, host: string): TlsOptions {
  const { ca, cert, key } = hosts[host] ?? {};
  return {
    insecure: isInsecureHost(hosts, host),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}

function nameOf(reference: Reference): string {
  return `${reference.registry}/${reference.repository}`;
}

/** What follows a rule's prefix in a reference's name, led by `lead` unless empty. A `*.` prefix stands for the host. */
function restOf(prefix: string, reference: Reference, lead = ''): string {
  const rest = prefix.startsWith('*.') ? reference.repository : nameOf(reference).slice(prefix.length + 1);
  return rest === '' ? '' : `${lead}${rest}`;
}

/** The rule with the longest key that is the host, a path below it, or `*.` and a domain (containers-registries.conf). */
function findRule(
  hosts: Hosts,
  reference: Reference,
): { readonly prefix: string; readonly options: RegistryHostOptions } | undefined {
  const name = `${nameOf(reference)}/`;
  const matches = Object.keys(hosts).filter((key) =>
    key.startsWith('*.') ? reference.registry.endsWith(key.slice(1)) : name.startsWith(`${key}/`),
  );
  const prefix = matches.sort((a, b) => b.length - a.length)[0];
  return prefix === undefined ? undefined : { prefix, options: hosts[prefix]! };
}
