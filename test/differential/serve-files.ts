import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface FileServer {
  /** Such as `http://127.0.0.1:40000`. */
  readonly address: string;
  close(): Promise<void>;
}

/** Offers the files of a directory on the loopback, with their times. */
export async function serveFiles(directory: string): Promise<FileServer> {
  const server = createServer(({ url = '/' }, response) => {
    const path = join(directory, decodeURIComponent(url.split('?')[0] ?? ''));
    if (!existsSync(path) || !statSync(path).isFile()) return void response.writeHead(404).end();
    response.setHeader('Last-Modified', statSync(path).mtime.toUTCString());
    createReadStream(path).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
