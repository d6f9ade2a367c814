import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP relay that cuts the first connection on which the client sends more than `limit` bytes. */
export async function startCuttingProxy(
  target: string,
  limit: number,
): Promise<{ readonly host: string; readonly cuts: () => number; close(): Promise<void> }> {
  const [hostname = '', port = ''] = target.split(':');
  const sockets = new Set<Socket>();
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let sent = 0;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
      socket.on('error', () => undefined);
    }
    client.on('data', (bytes) => {
      sent += bytes.length;
      if (cuts > 0 || sent <= limit) return;
      cuts += 1;
      client.destroy();
    });
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cuts: () => cuts,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
