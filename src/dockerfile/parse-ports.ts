import { BuildError } from '../core/index.ts';

const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'sctp'];
const MAX_PORT = 65_535;

/** One word of `EXPOSE`, after expansion. */
export interface PortSpec {
  /** Inclusive; equal for a single port. */
  readonly first: number;
  readonly last: number;
  /** As written; empty when not given (`tcp`). */
  readonly protocol: string;
  /** An address or port of the host was given, which means nothing in an image. */
  readonly hasHostPart: boolean;
}

/**
 * Reads the words of `EXPOSE`, after expansion, as the image config keeps them: `80/tcp`, ranges spelled out, duplicates
 * merged, in the order of the words.
 *
 * @throws BuildError `DOCKERFILE_INVALID`
 */
export function parsePorts(words: readonly string[]): readonly string[] {
  const ports = new Set<string>();
  for (const word of words) {
    const { first, last, protocol } = parsePortSpec(word);
    for (let port = first; port <= last; port++) ports.add(`${port}/${protocol.toLowerCase() || 'tcp'}`);
  }
  return [...ports];
}

/**
 * Reads `[[address:]host-port:]port[-port][/protocol]`.
 *
 * @throws BuildError `DOCKERFILE_INVALID`
 */
export function parsePortSpec(word: string): PortSpec {
  const parts = word.split(':');
  const own = parts.pop()!;
  const slash = own.indexOf('/');
  const protocol = slash < 0 ? '' : own.slice(slash + 1);
  if (protocol !== '' && !PROTOCOLS.includes(protocol.toLowerCase())) {
    throw invalid(word, `"${protocol}" is not a protocol`, `The protocols are ${PROTOCOLS.join(', ')}.`);
  }
  const range = parseRange(word, slash < 0 ? own : own.slice(0, slash));
  const hostPort = parts.pop() ?? '';
  const address = parts.join(':');
  if (hostPort !== '') checkHostPort(word, { range, hostPort });
  if (address !== '' && !isAddress(address)) throw invalid(word, `"${address}" is no IP address`, HOST_HINT);
  return { ...range, protocol, hasHostPart: hostPort !== '' || address !== '' };
}

const HOST_HINT = 'Write the port of the container alone: EXPOSE takes nothing of the host.';

interface PortRange {
  readonly first: number;
  readonly last: number;
}

function parseRange(word: string, text: string): PortRange {
  const dash = text.indexOf('-');
  const first = parsePort(word, dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : parsePort(word, text.slice(dash + 1));
  if (last < first)
    throw invalid(word, 'the range ends before it begins', 'Write the lower port first, as in 8000-8010.');
  return { first, last };
}

function parsePort(word: string, text: string): number {
  const port = /^\+?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (port <= MAX_PORT) return port;
  throw invalid(word, text === '' ? 'a port is missing' : `"${text}" is not a port`, `Ports go from 0 to ${MAX_PORT}.`);
}

function checkHostPort(
  word: string,
  { range, hostPort }: { readonly range: PortRange; readonly hostPort: string },
): void {
  const host = parseRange(word, hostPort);
  if (range.last !== range.first && host.last - host.first !== range.last - range.first) {
    throw invalid(word, 'the two ranges differ in length', HOST_HINT);
  }
}

function isAddress(text: string): boolean {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  const octets = bare.split('.');
  if (octets.length === 4) return octets.every((octet) => /^\d{1,3}$/.test(octet) && Number(octet) <= 255);
  return /^[0-9a-f:]*:[0-9a-f:.]*$/i.test(bare);
}

function invalid(word: string, why: string, hint: string): BuildError {
  return new BuildError('DOCKERFILE_INVALID', `"${word}" cannot be exposed: ${why}.`, { hint });
}
