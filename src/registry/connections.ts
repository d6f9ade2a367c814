import { Agent, type AgentOptions, request as askPlainly, type RequestOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionOptions, SecureContext, TLSSocket } from 'node:tls';
import { NetworkError } from './network-error.ts';
import { proxyAuthorization } from './proxy.ts';
import { createSecureContext, type TlsOptions } from './secure-context.ts';

/** How a server is reached. Connections are kept and used again for what has equal values here. */
export interface Route {
  readonly protocol: string;
  readonly proxy: URL | undefined;
  readonly tls: TlsOptions;
}

export interface ConnectionOptionsOfRoute {
  readonly connectMs: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const KEPT: AgentOptions = { keepAlive: true, maxSockets: 16 };

/** Makes the pool of connections for a route: straight to a server, or through a tunnel that a proxy opens. */
export async function createAgent(route: Route, options: ConnectionOptionsOfRoute): Promise<Agent> {
  // Plain HTTP is asked of the proxy itself: few proxies tunnel to port 80.
  if (route.protocol === 'http:') return route.proxy?.protocol === 'https:' ? proxyAgent(options) : new Agent(KEPT);
  const { Agent: SecureAgent } = await import('node:https');
  const { insecure } = route.tls;
  const secureContext = await createSecureContext(route.tls, options.env);
  const agent = new SecureAgent({ ...KEPT, secureContext, rejectUnauthorized: !insecure });
  if (route.proxy !== undefined)
    tunnelThrough(agent, await openerFor(route.proxy, options), { secureContext, insecure });
  return agent;
}

async function proxyAgent({ env }: ConnectionOptionsOfRoute): Promise<Agent> {
  const { Agent: SecureAgent } = await import('node:https');
  return new SecureAgent({ ...KEPT, secureContext: await createSecureContext({ insecure: false }, env) });
}

/** Opens a connection to `host:port` through a proxy. */
type OpenTunnel = (target: string) => Promise<Socket>;

async function openerFor(proxy: URL, options: ConnectionOptionsOfRoute): Promise<OpenTunnel> {
  const isSecure = proxy.protocol === 'https:';
  const ask = isSecure ? (await import('node:https')).request : askPlainly;
  const agent = isSecure ? await proxyAgent(options) : new Agent();
  const authorization = proxyAuthorization(proxy);
  return (target) =>
    new Promise((resolve, reject) => {
      const asked = ask({
        ...endOf(proxy),
        agent,
        method: 'CONNECT',
        path: target,
        headers: {
          host: target,
          ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
        },
        timeout: options.connectMs,
      });
      asked.once('timeout', () => asked.destroy(new NetworkError('CONNECT_TIMEOUT', `${proxy.host} does not answer`)));
      asked.once('error', reject);
      asked.once('connect', ({ statusCode = 0 }, socket: Socket) => {
        asked.setTimeout(0);
        if (statusCode === 200) resolve(socket);
        else {
          socket.destroy();
          reject(new NetworkError('PROXY_REFUSED', `the proxy ${proxy.host} answered ${statusCode}`));
        }
      });
      asked.end();
    });
}

/** Host and port of a URL as `request` takes them. */
export function endOf(url: URL): Pick<RequestOptions, 'protocol' | 'hostname' | 'port'> {
  return { protocol: url.protocol, hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port };
}

interface Connectable {
  createConnection(options: ConnectionOptions, done: (error: Error | null, socket?: TLSSocket) => void): undefined;
}

/** The agent's way to a socket, which it may wait for. */
function tunnelThrough(
  agent: Agent,
  open: OpenTunnel,
  { secureContext, insecure }: { readonly secureContext: SecureContext; readonly insecure: boolean },
): void {
  const connect = async ({ host = '', port = 443, servername = '' }: ConnectionOptions): Promise<TLSSocket> => {
    const { connect: secure } = await import('node:tls');
    const socket = await open(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);
    return secure({ socket, host, servername, secureContext, rejectUnauthorized: !insecure });
  };
  (agent as unknown as Connectable).createConnection = (options, done) => {
    connect(options).then(
      (socket) => done(null, socket),
      (error: Error) => done(error),
    );
    return undefined;
  };
}
