import { chmodSync, closeSync, openSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { runFileWork } from './file-work.ts';
import type { WorkingKind } from './namespace.ts';

/** A socket that stands for an agent in one step. */
export interface SshProxy {
  readonly path: string;
  close(): Promise<void>;
}

/**
 * Serves an agent's socket once more, with the owner and mode that the step asks for: the agent's own belongs to the caller,
 * and a USER could not open it.
 */
export async function openSshProxy(
  kind: WorkingKind,
  input: {
    readonly agent: string;
    readonly directory: string;
    readonly name: string;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
  },
): Promise<SshProxy> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    const agent = connect(input.agent);
    track(client);
    track(agent);
    client.pipe(agent).pipe(client);
    agent.on('close', () => client.destroy());
    client.on('close', () => agent.destroy());
  });
  // A socket's address holds 107 bytes: the directory is named by its descriptor, however long its path is.
  const descriptor = openSync(input.directory, 'r');
  await listen(server, `/proc/self/fd/${descriptor}/${input.name}`);
  const path = join(input.directory, input.name);
  chmodSync(path, input.mode);
  if (input.uid !== 0 || input.gid !== 0) await runFileWork(kind, ['chown', `${input.uid}:${input.gid}`, path]);
  return {
    path,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => {
          closeSync(descriptor);
          resolve();
        });
      }),
  };
}

function listen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, resolve);
  });
}
