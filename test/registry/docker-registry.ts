import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The `docker-registry` program, running for a test on a port of its own. */
export interface DockerRegistry {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  stop(): Promise<void>;
}

export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

/** Names the programs of a list that this machine lacks. On CI a missing one is a failure, not a reason to skip. */
export function missingPrograms(...names: readonly string[]): readonly string[] {
  const missing = names.filter((name) => !hasProgram(name));
  if (missing.length > 0 && process.env.CI === 'true') throw new Error(`CI lacks ${missing.join(', ')}`);
  if (missing.length > 0) console.warn(`Skipped: this machine lacks ${missing.join(', ')}.`);
  return missing;
}

/** `htpasswd`: lines of users with bcrypt passwords, for a registry that asks for Basic authentication. */
export async function startDockerRegistry(options: { readonly htpasswd?: string } = {}): Promise<DockerRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'zlayer-registry-'));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  await writeFile(join(directory, 'htpasswd'), options.htpasswd ?? '');
  const auth = ['auth:', '  htpasswd:', '    realm: test', `    path: ${directory}/htpasswd`];
  const config = [
    'version: 0.1',
    'log: { level: error, accesslog: { disabled: true } }',
    `storage: { filesystem: { rootdirectory: ${directory}/data }, delete: { enabled: true } }`,
    `http: { addr: "${host}" }`,
    ...(options.htpasswd === undefined ? [] : auth),
  ];
  await writeFile(join(directory, 'config.yml'), `${config.join('\n')}\n`);
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const output: string[] = [];
  child.stderr.on('data', (bytes: Buffer) => output.push(bytes.toString()));
  await untilUp(child, host, output);
  return {
    host,
    stop: async () => {
      if (child.exitCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await ended;
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function untilUp(child: ChildProcess, host: string, output: readonly string[]): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended at once: ${output.join('')}`);
    const isUp = await fetch(`http://${host}/v2/`).then(
      (response) => response.status > 0,
      () => false,
    );
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  child.kill('SIGKILL');
  throw new Error(`docker-registry did not start: ${output.join('')}`);
}
