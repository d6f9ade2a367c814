import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { ChannelInput } from './channel.ts';
import { SERVER_NAME } from './tls/material.ts';

const REFUSED = "it refuses this client's certificate";

/** What the two ends say to each other when one refuses the other, and why it does. */
const REASONS: ReadonlyArray<readonly [pattern: RegExp, reason: string]> = [
  [/ECONNREFUSED/, 'nothing listens there'],
  [/ENOTFOUND|EAI_AGAIN/, 'its host name cannot be resolved'],
  [/ECONNRESET|EPIPE/, 'it closes the connection'],
  [/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/, 'its host cannot be reached'],
  [/CERT_HAS_EXPIRED/, 'its certificate has expired'],
  [/CERT_NOT_YET_VALID/, 'its certificate does not hold yet; are the clocks of both machines right?'],
  [
    /UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|SELF_SIGNED|CERT_SIGNATURE_FAILURE|INVALID_PURPOSE/,
    'its certificate was not signed for a server by the CA of ca.pem',
  ],
  [/ALTNAME_INVALID/, `its certificate is not for ${SERVER_NAME}`],
  [/CERTIFICATE_EXPIRED/, "it says that this client's certificate has expired"],
  [/CERTIFICATE_REVOKED/, "it says that this client's certificate was revoked"],
  [
    /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(UNKNOWN|REQUIRED)|DECRYPT_ERROR|ACCESS_DENIED)/,
    REFUSED,
  ],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST/, 'what listens there speaks no TLS'],
  [/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/, 'it has no TLS 1.3'],
];

/**
 * Why a daemon cannot be talked to, as the end of a sentence: tries a connection of its own, since the gRPC library tells
 * little. Undefined when the connection works.
 */
export function probeConnection(
  { address, tls }: ChannelInput,
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<string | undefined> {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port: Number(address.slice(at + 1)),
      ...tls,
      servername: SERVER_NAME,
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['h2'],
    });
    const end = (reason: string | undefined): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.setTimeout(timeoutMs, () => end('it does not answer'));
    // With TLS 1.3 a client's handshake is over before the server has looked at its certificate: wait for its first bytes.
    let isSecure = false;
    socket.once('secureConnect', () => {
      isSecure = true;
      socket.write(HTTP2_START);
    });
    socket.once('data', () => end(undefined));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(isSecure && /EPIPE|ECONNRESET/.test(error.code ?? '') ? REFUSED : reasonOf(error)),
    );
    // A Node server tells a client that it refuses in no other way.
    socket.once('close', () => end(isSecure ? REFUSED : 'it closes the connection'));
  });
}

/** Preface and empty settings (RFC 9113, section 3.4). */
const HTTP2_START = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');

function reasonOf(error: NodeJS.ErrnoException): string {
  const text = `${error.code ?? ''} ${error.message}`.toUpperCase().replaceAll(' ', '_');
  return REASONS.find(([pattern]) => pattern.test(text))?.[1] ?? error.message;
}

/**
 * Splits and checks `host:port`; an IPv6 address stands in brackets. Undefined when the text is none.
 */
export function parseAddress(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, six, name, digits] = match;
  const port = Number(digits);
  if (port > 65_535 || (six !== undefined && isIP(six) !== 6)) return undefined;
  return { host: six ?? name!, port };
}
