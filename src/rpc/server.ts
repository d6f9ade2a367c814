import { isIPv6 } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { BuildError } from '../core/index.ts';
import { SHARED_OPTIONS } from './channel.ts';
import { MAX_CALLS } from './limits.ts';
import { type ServeOptions, type ServiceImplementation, toHandlers } from './serve.ts';
import { type AnyService, toServiceDefinition } from './service-definition.ts';
import type { TlsMaterial } from './tls/material.ts';

/** What a server listens on. */
export interface ServerInput {
  /** `host:port`; port 0 is any free one. */
  readonly address: string;
  readonly tls: TlsMaterial;
}

/** A server that listens. */
export interface RpcServer {
  /** With the port that was chosen. */
  readonly address: string;
  /** Certificates for connections that come from now on. */
  updateTls(tls: TlsMaterial): void;
  /** Takes no more calls and lets those that run end, for `graceMs` at most; then breaks them off. */
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** One service of a server. */
export type ServedService = (server: Server) => void;

/** Binds an implementation to its service, for `openServer`. */
export function serveService<S extends AnyService>(
  service: S,
  implementation: ServiceImplementation<S>,
  options: ServeOptions = {},
): ServedService {
  return (server) => server.addService(toServiceDefinition(service), toHandlers(service, implementation, options));
}

/**
 * Serves over TLS 1.3 alone, to clients alone whose certificate our CA has signed.
 *
 * @throws BuildError `HOST_LACKS` when the address cannot be listened on.
 */
export async function openServer(services: readonly ServedService[], input: ServerInput): Promise<RpcServer> {
  const server = new Server({ ...SHARED_OPTIONS, 'grpc.max_concurrent_streams': MAX_CALLS });
  for (const add of services) add(server);
  const tls = new MutualTls(input.tls);
  const port = await bind(server, input.address, tls);
  const host = input.address.slice(0, input.address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return {
    address: `${isIPv6(host) ? `[${host}]` : host}:${port}`,
    updateTls: (material) => tls.update(material),
    close: ({ graceMs }) => close(server, graceMs),
  };
}

function bind(server: Server, address: string, tls: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(
        new BuildError('HOST_LACKS', `${address} cannot be listened on: ${error.message}`, {
          cause: error,
          hint: 'Choose another address; port 0 takes any free port.',
        }),
      );
    try {
      server.bindAsync(address, tls, (error, port) => (error === null ? resolve(port) : fail(error)));
    } catch (error) {
      fail(error as Error);
    }
  });
}

/** Connections that never became HTTP/2 are none that the library could end: they are waited for so long. */
const LAST_MS = 500;

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    let timer = setTimeout(() => {
      server.forceShutdown();
      timer = setTimeout(resolve, LAST_MS);
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      // Sessions without calls are still open; they end here.
      server.forceShutdown();
      resolve();
    });
  });
}

/** The library's own credentials can neither ask for TLS 1.3 nor be given other certificates. */
class MutualTls extends ServerCredentials {
  constructor(tls: TlsMaterial) {
    super({ requestCert: true, rejectUnauthorized: true, handshakeTimeout: 10_000 }, contextOf(tls));
  }

  update(tls: TlsMaterial): void {
    this.updateSecureContextOptions(contextOf(tls));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOf({ ca, cert, key }: TlsMaterial) {
  return { ca, cert, key, minVersion: 'TLSv1.3' } as const;
}
