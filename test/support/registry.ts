import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** A registry of docker's making on a free port of the loopback. */
export interface Registry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  close(): Promise<void>;
}

const STARTED_WITHIN_MS = 20_000;

/** @param root a fresh directory for its blobs. */
export async function openRegistry(root: string): Promise<Registry> {
  const port = await findFreePort();
  const host = `127.0.0.1:${port}`;
  const config = join(root, 'registry.yml');
  writeFileSync(
    config,
    [
      'version: 0.1',
      'log: { level: error, accesslog: { disabled: true } }',
      `storage: { filesystem: { rootdirectory: ${JSON.stringify(join(root, 'registry'))} }, delete: { enabled: true } }`,
      `http: { addr: ${JSON.stringify(host)}, secret: tests }`,
    ].join('\n'),
  );
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.once('error', () => undefined);
  await waitUntilReady(host, () => child.exitCode !== null);
  return {
    host,
    close: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

/** Asks until it answers: a registry tells nobody when it has started. */
async function waitUntilReady(host: string, hasEnded: () => boolean): Promise<void> {
  const end = Date.now() + STARTED_WITHIN_MS;
  while (Date.now() < end && !hasEnded()) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('docker-registry did not start.');
}

function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
