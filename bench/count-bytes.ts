import { connect, createServer, type Socket } from 'node:net';

/** A way to a server that counts what comes back. */
export interface Counter {
  /** `127.0.0.1:PORT`, which leads to the server. */
  readonly host: string;
  /** Bytes from the server since this was last asked. */
  takeBytes(): number;
  close(): Promise<void>;
}

/** Opens a way to `host`, an address with a port on the loopback. */
export async function openCounter(host: string): Promise<Counter> {
  const [address = '', port = ''] = host.split(':');
  const sockets = new Set<Socket>();
  let bytes = 0;
  const server = createServer((near) => {
    const far = connect(Number(port), address);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
      socket.on('error', () => socket.destroy());
    }
    far.on('data', (chunk) => {
      bytes += chunk.length;
    });
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  return {
    host: `127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`,
    takeBytes: () => {
      const taken = bytes;
      bytes = 0;
      return taken;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
