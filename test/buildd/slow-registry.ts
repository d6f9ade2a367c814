import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';

/** A proxy before a registry that holds uploads back. */
export interface SlowRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Resolves when the first upload has arrived and waits. */
  readonly held: Promise<void>;
  /** Lets everything through from now on. */
  release(): void;
  close(): Promise<void>;
}

export async function openSlowRegistry(target: string): Promise<SlowRegistry> {
  let release = (): void => undefined;
  let tell = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const held = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const [host, port] = target.split(':');
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    void (async () => {
      if (incoming.method === 'POST') {
        tell();
        await released;
      }
      const { method, url, headers } = incoming;
      const forwarded = httpRequest({ host, port, method, path: url, headers }, (answer) => {
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
    held,
    release,
    close: () =>
      new Promise((resolve) => {
        release();
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
