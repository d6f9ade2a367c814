import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';

/** A door before a registry. */
export interface RegistryProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  close(): Promise<void>;
}

/** Forwards what `admit` lets through; it may answer itself, and give false, or take its time. */
export async function openRegistryProxy(
  target: string,
  admit: (incoming: IncomingMessage, outgoing: ServerResponse) => boolean | Promise<boolean>,
): Promise<RegistryProxy> {
  const [hostname = '', port = ''] = target.split(':');
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      if (!(await admit(incoming, outgoing))) return;
      const { method = 'GET', url = '/', headers } = incoming;
      const forwarded = httpRequest({ hostname, port, method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      forwarded.on('error', () => outgoing.destroy());
      incoming.pipe(forwarded);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    host: `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
