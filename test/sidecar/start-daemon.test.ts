import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SidecarConfiguration } from '../../src/backends/buildah-sidecar/configuration.ts';
import { daemonPaths, startDaemon } from '../../src/backends/buildah-sidecar/start-daemon.ts';
import type { BuildError } from '../../src/core/index.ts';
import { startOf } from '../../src/rpc/index.ts';
import { observe } from './sidecar-fixture.ts';

let root: string;
let program: string;
let configuration: SidecarConfiguration;
const pids = new Set<number>();
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'zlayer-start-'));
  program = join(root, 'fake-daemon');
  configuration = {
    address: undefined,
    tlsDirectory: join(root, 'data/buildd'),
    contextMount: undefined,
    program,
    dataDir: join(root, 'data'),
  };
});
afterEach(() => {
  for (const line of read('started').trim().split('\n').filter(Boolean)) pids.add(JSON.parse(line).pid);
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  pids.clear();
  rmSync(root, { recursive: true, force: true });
});

const read = (name: string): string => {
  try {
    return readFileSync(join(root, name), 'utf8');
  } catch {
    return '';
  }
};

/** A program that says who it is, then does something. It ends by itself when a test forgets it. */
function writeProgram(work: string): void {
  const lines = [
    `#!${process.execPath}`,
    `const { appendFileSync } = require('node:fs');`,
    `const env = { backend: process.env.ZLAYER_BACKEND, address: process.env.ZLAYER_BUILDD_ADDR };`,
    `const self = { pid: process.pid, args: process.argv.slice(2), env };`,
    `appendFileSync(${JSON.stringify(join(root, 'started'))}, JSON.stringify(self) + '\\n');`,
    'setTimeout(() => process.exit(9), 30_000);',
    work,
  ];
  writeFileSync(program, lines.join('\n'), { mode: 0o755 });
}

const LISTEN = `console.log('LISTENING 127.0.0.1:4242');`;

const start = (options: { readonly handshakeMs?: number; readonly signal?: AbortSignal } = {}) =>
  startDaemon(
    {
      env: { PATH: process.env['PATH'], ZLAYER_BACKEND: 'sidecar' },
      configuration,
      ...(options.handshakeMs === undefined ? {} : { handshakeMs: options.handshakeMs }),
    },
    {},
    observe(options.signal).context,
  );

const failureOf = (work: Promise<unknown>): Promise<BuildError> =>
  work.then(
    () => expect.unreachable('it did not fail'),
    (error: BuildError) => error,
  );

describe('startDaemon()', () => {
  it('starts a daemon with the options of the protocol, and none that would start another', async () => {
    writeProgram(LISTEN);
    const daemon = await start();
    const [{ pid, args, env }] = read('started')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(daemon).toMatchObject({ address: '127.0.0.1:4242', pid });
    expect(env).toEqual({});
    const option = (name: string): string => args[args.indexOf(name) + 1];
    expect(option('--bind')).toBe('127.0.0.1:0');
    expect(option('--idle-secs')).toBe('30');
    for (const name of ['--tls-ca', '--tls-cert', '--tls-key']) expect(statSync(option(name)).isFile()).toBe(true);
    const { file, directory } = daemonPaths(configuration);
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    expect((statSync(directory).mode & 0o777).toString(8)).toBe('700');
  });

  it('starts one daemon for many that ask at once, and gives it to whoever comes later', async () => {
    writeProgram(`setTimeout(() => { ${LISTEN} }, 100);`);
    const all = await Promise.all([start(), start(), start(), start()]);
    const later = await start();
    expect(new Set([...all, later].map(({ pid }) => pid)).size).toBe(1);
    expect(read('started').trim().split('\n')).toHaveLength(1);
  });

  it('starts another one when the one that was there is gone', async () => {
    writeProgram(LISTEN);
    const first = await start();
    process.kill(first.pid, 'SIGKILL');
    for (let i = 0; i < 200 && isThere(first.pid); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    const second = await start();
    expect(second.pid).not.toBe(first.pid);
  });

  it('does not take another process with the same number for the daemon', async () => {
    writeProgram(LISTEN);
    const { directory, file } = daemonPaths(configuration);
    mkdirSync(directory, { recursive: true });
    writeFileSync(file, JSON.stringify({ address: '127.0.0.1:1', pid: process.pid, start: '1' }));
    const daemon = await start();
    expect(daemon.address).toBe('127.0.0.1:4242');
  });

  it.each([
    ['a daemon that ends', `console.error('no storage'); process.exit(3);`, /ended with status 3/],
    ['a daemon that says something else', `console.log('hello');`, /its first line is "hello"/],
    ['a daemon that says nothing', '', /did not say where it listens for 1 second/],
  ])('says what is wrong with %s', async (_, work, message) => {
    writeProgram(work);
    const error = await failureOf(start({ handshakeMs: 1000 }));
    expect(error.code).toBe('BACKEND_UNAVAILABLE');
    expect(error.message).toMatch(message);
    if (work.includes('no storage')) expect(error.hint).toContain('no storage');
  });

  it('ends what it has started when it is cancelled', async () => {
    writeProgram('');
    const controller = new AbortController();
    const starting = failureOf(start({ signal: controller.signal }));
    for (let i = 0; i < 500 && read('started') === ''; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort();
    expect((await starting).code).toBe('CANCELLED');
    const { pid } = JSON.parse(read('started'));
    for (let i = 0; i < 200 && isThere(pid); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(isThere(pid)).toBe(false);
  });

  it('names a program that is none', async () => {
    writeFileSync(program, '');
    chmodSync(program, 0o644);
    expect(await failureOf(start())).toMatchObject({ code: 'USAGE', message: expect.stringContaining(program) });
  });
});

/** A process that has ended, but whose end nobody has taken note of, has no time any more. */
function isThere(pid: number): boolean {
  return startOf(pid) !== undefined;
}
