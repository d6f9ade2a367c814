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
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_INFO',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'HPE_INVALID_EOF_STATE',
]);

/** The system's or undici's code of an error, or of what caused it. */
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
  if (code === undefined) return error.message === 'terminated' ? 'transient' : undefined;
  if (code === 'ECONNREFUSED') return 'refused';
  return TRANSIENT.has(code) ? 'transient' : 'permanent';
}

const SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the name service does not answer',
  ECONNRESET: 'the connection was lost',
  EPIPE: 'the connection was lost',
  UND_ERR_SOCKET: 'the connection was lost',
  UND_ERR_CONNECT_TIMEOUT: 'the connection could not be made in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer came in time',
  UND_ERR_BODY_TIMEOUT: 'the transfer stood still for too long',
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
