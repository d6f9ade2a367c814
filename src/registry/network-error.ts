import { isBuildError } from '../core/index.ts';

/** How a failed connection is to be taken. */
export type NetworkFailure =
  /** May pass: a lost connection, a timeout, a host that is not up yet. */
  | 'transient'
  /** Nobody listens: worth a second try, not a long wait. */
  | 'refused'
  /** Does not pass by itself: an unknown host, a certificate that is not trusted. */
  | 'permanent';

const TRANSIENT = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'HPE_INVALID_EOF_STATE',
  'CONNECT_TIMEOUT',
  'HEADERS_TIMEOUT',
  'BODY_TIMEOUT',
]);

/** A failure of a connection that no system call reports. */
export class NetworkError extends Error {
  readonly code: 'CONNECT_TIMEOUT' | 'HEADERS_TIMEOUT' | 'BODY_TIMEOUT' | 'PROXY_REFUSED';

  constructor(code: NetworkError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** The code of an error of the system, of Node or of ours, or of what caused it. */
export function errorCodeOf(error: unknown): string | undefined {
  for (let current = error, depth = 0; current instanceof Error && depth < 4; current = current.cause, depth += 1) {
    const { code } = current as NodeJS.ErrnoException;
    if (typeof code === 'string') return code;
  }
  return undefined;
}

/** Undefined for what is no network failure, such as an error of our own. */
export function classifyNetworkError(error: unknown): NetworkFailure | undefined {
  if (isBuildError(error) || !(error instanceof Error)) return undefined;
  const code = errorCodeOf(error);
  if (code === undefined) return undefined;
  if (code === 'ECONNREFUSED') return 'refused';
  return TRANSIENT.has(code) ? 'transient' : 'permanent';
}

const SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the name service does not answer',
  ECONNRESET: 'the connection was lost',
  EPIPE: 'the connection was lost',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection was lost',
  CONNECT_TIMEOUT: 'the connection could not be made in time',
  HEADERS_TIMEOUT: 'no answer came in time',
  BODY_TIMEOUT: 'the transfer stood still for too long',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate comes from an authority that is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate comes from an authority that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate comes from an authority that is not trusted here',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
};

/** Why a connection failed, as the end of a sentence. */
export function describeNetworkError(error: unknown): string {
  const code = errorCodeOf(error);
  const sentence = code === undefined ? undefined : SENTENCES[code];
  if (sentence !== undefined) return `${sentence} (${code})`;
  const message = error instanceof Error ? error.message : String(error);
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

/** What to do about a failed connection. */
export function networkErrorHint(error: unknown, registry: string): string {
  const code = errorCodeOf(error) ?? '';
  if (/CERT|SIGNATURE|ISSUER/.test(code)) {
    return `Put the authority's certificate into /etc/containers/certs.d/${registry}/ca.crt, or mark the registry as insecure.`;
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return `If ${registry} speaks plain HTTP, mark it as insecure in registries.conf.`;
  }
  return 'Check the name of the registry, the network, and HTTPS_PROXY and NO_PROXY; then try again.';
}
