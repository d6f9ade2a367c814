import { BlockList, isIP, isIPv4 } from 'node:net';
import { BuildError } from '../core/index.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** `localhost`, 127.0.0.0/8 and ::1. `hostname` as in a URL, an IPv6 address in brackets. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/i.test(hostname);
}

/**
 * The proxy that the environment names for a URL: `HTTPS_PROXY` or `HTTP_PROXY`, also in lower case, which comes first; none
 * for loopback and for what `NO_PROXY` lists. A proxy without a scheme is an HTTP one.
 *
 * @throws BuildError `REGISTRY_CONFIG_INVALID` for a proxy of a kind that is not spoken here.
 */
export function proxyFor(url: URL, env: Env): URL | undefined {
  const name = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const text = (env[name] || env[name.toUpperCase()] || '').trim();
  if (text === '' || isLoopback(url.hostname) || isExcluded(url, env.no_proxy || env.NO_PROXY || '')) return undefined;
  const full = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const proxy = URL.canParse(full) ? new URL(full) : undefined;
  if (proxy !== undefined && /^https?:$/.test(proxy.protocol) && proxy.hostname !== '') return proxy;
  // Its text may hold a password.
  throw new BuildError('REGISTRY_CONFIG_INVALID', `Could not use ${name.toUpperCase()}: it names no HTTP proxy.`, {
    hint: 'Write it as http://[USER:PASSWORD@]HOST:PORT.',
  });
}

/**
 * Whether `NO_PROXY` lists a host, as Go's programs read it: `*`; a name with its subdomains, or with a leading dot these
 * alone; an address; a range of addresses (10.0.0.0/8). Names and addresses may have a port.
 */
function isExcluded(url: URL, noProxy: string): boolean {
  const hostname = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return noProxy
    .split(/[,\s]+/)
    .filter((entry) => entry !== '')
    .some((entry) => matches(entry.toLowerCase(), hostname, port));
}

function matches(entry: string, hostname: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return isInRange(entry, hostname);
  const [, bracketed, plain, wantedPort] = /^(?:\[(.+)\]|([^:]+|.*:.*:.*))(?::(\d+))?$/.exec(entry) ?? [];
  const name = bracketed ?? plain ?? '';
  if (name === '' || (wantedPort !== undefined && wantedPort !== port)) return false;
  if (isIP(name) !== 0 || isIP(hostname) !== 0) return isInRange(`${name}/${isIPv4(name) ? 32 : 128}`, hostname);
  const domain = name.replace(/^\*?\./, '');
  return hostname.endsWith(`.${domain}`) || (domain === name && hostname === name);
}

function isInRange(range: string, hostname: string): boolean {
  const [, address = '', bits = ''] = /^(.+)\/(\d{1,3})$/.exec(range) ?? [];
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  if (isIP(address) === 0 || isIP(hostname) === 0 || Number(bits) > (family === 'ipv4' ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), family);
  return list.check(hostname, isIPv4(hostname) ? 'ipv4' : 'ipv6');
}

/** What a proxy is told of who asks; undefined when its URL names nobody. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(user, 'utf8').toString('base64')}`;
}
