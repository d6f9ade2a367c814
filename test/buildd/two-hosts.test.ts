import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importBusybox, missingForRun } from '../integration/busybox-image.ts';
import { IS_ROOT, lacksPrograms } from '../support/host.ts';
import { runOk, runProgram } from '../support/process.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { writeFiles } from './write-files.ts';

const PROJECT = new URL('../../', import.meta.url).pathname;
const BASE = 'localhost/busybox:latest';
const DAEMON_IP = '192.0.2.1';
const CLIENT_IP = '192.0.2.2';
const NAMES = { daemon: `zld${process.pid}`, client: `zlc${process.pid}` };

const lacking = !IS_ROOT || missingForRun() !== undefined || lacksPrograms('test/buildd/two-hosts', ['ip']);
if (!IS_ROOT) process.stderr.write('SKIPPED test/buildd/two-hosts: network namespaces need root.\n');

interface Program {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Lines as they come, each once. */
  readonly lines: AsyncIterator<string>;
  readonly errors: string[];
}

let directory: string;
let daemon: Program;
let address: string;
let clientTls: string;

/** Two hosts: a network namespace each, a cable between them. */
describe.skipIf(lacking)('a daemon on another host', () => {
  beforeAll(async () => {
    directory = makeTempDir('hosts');
    await cable();
    await Promise.all([
      runOk([process.execPath, join(PROJECT, 'tools/build.mjs'), '--only-command', '--out', join(directory, 'dist')]),
      build({
        entryPoints: [join(PROJECT, 'test/buildd/remote-client.ts')],
        outfile: join(directory, 'client.cjs'),
        bundle: true,
        platform: 'node',
        target: 'node20',
        format: 'cjs',
        logLevel: 'error',
        absWorkingDir: PROJECT,
      }),
    ]);
    await importBusybox(join(directory, 'store'));
    const tls = ['--tls-dir', join(directory, 'tls')];
    daemon = start(NAMES.daemon, [
      join(directory, 'dist/zlayer.cjs'),
      'buildd',
      ...['--bind', `${DAEMON_IP}:0`, ...tls, '--tls-name', DAEMON_IP, '--idle-secs', '0'],
      ...['--storage-root', join(directory, 'store'), '--max-concurrent', '2'],
    ]);
    const first = await nextLine(daemon);
    expect(first).toMatch(/^LISTENING 192\.0\.2\.1:\d+$/);
    address = first.slice('LISTENING '.length);
    const made = await runOk([
      process.execPath,
      join(directory, 'dist/zlayer.cjs'),
      'buildd',
      'tls',
      'create',
      'other-host',
      ...tls,
    ]);
    clientTls = made.stdout.trim();
  }, 120_000);

  afterAll(async () => {
    if (daemon !== undefined) {
      daemon.child.kill('SIGTERM');
      if (daemon.child.exitCode === null) await once(daemon.child, 'exit');
    }
    for (const name of Object.values(NAMES)) await runProgram(['ip', 'netns', 'del', name]);
    if (directory !== undefined) await removeTempDir(directory);
  });

  it('builds what was uploaded; the second build sends only what has changed', async () => {
    const context = writeFiles(join(directory, 'context'), {
      Dockerfile: `FROM ${BASE}\nCOPY . /c/\nRUN cat /c/small\n`,
      small: 'first\n',
    });
    writeFileSync(join(context, 'large'), randomBytes(3_000_000));
    for (let i = 0; i < 200; i++) writeFileSync(join(context, `file-${i}`), `content ${i}\n`);
    const first = await runClient(context, 'build');
    expect(first.at(-1)).toMatchObject({ event: 'finished' });
    expect(printed(first)).toEqual(['first\n']);
    expect(sentBy(first).bytes).toBeGreaterThan(3_000_000);
    expect(sentBy(first).contents).toBe(203);
    writeFileSync(join(context, 'small'), 'second\n');
    const second = await runClient(context, 'build');
    expect(printed(second)).toEqual(['second\n']);
    expect(sentBy(second)).toMatchObject({ contents: 1, bytes: 7 });
    const third = await runClient(context, 'build');
    expect(sentBy(third)).toMatchObject({ contents: 0, bytes: 0 });
    process.stdout.write(`uploaded bytes: ${[first, second, third].map((lines) => sentBy(lines).bytes).join(', ')}\n`);
  });

  it('goes on with a build while the link is cut, and the client gets everything once it is back', async () => {
    const context = writeFiles(join(directory, 'slow'), {
      Dockerfile: `FROM ${BASE}\nRUN for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo tick $i; sleep 0.5; done\nRUN echo done\n`,
    });
    const client = start(NAMES.client, [join(directory, 'client.cjs'), address, clientTls, context, 'slow']);
    const lines: ClientLine[] = [];
    let cutMs = 0;
    let backMs = 0;
    for (let line = await client.lines.next(); line.done !== true; line = await client.lines.next()) {
      const told = JSON.parse(line.value) as ClientLine;
      lines.push(told);
      if (cutMs === 0 && told.printed?.includes('tick 2') === true) {
        await link('down');
        cutMs = Date.now();
      }
      if (backMs === 0 && told.lost !== undefined) {
        // The link stays away for longer than the client took to notice.
        await new Promise((resolve) => setTimeout(resolve, 1500));
        backMs = Date.now();
        await link('up');
      }
    }
    expect(backMs).toBeGreaterThan(cutMs);
    const ticks = printed(lines).join('');
    expect(ticks).toBe(`${Array.from({ length: 20 }, (_, i) => `tick ${i + 1}\n`).join('')}done\n`);
    const meanwhile = lines.filter(
      ({ printed: text, time = 0 }) => text !== undefined && time > cutMs && time < backMs,
    );
    expect(meanwhile.length).toBeGreaterThan(0);
    expect(lines.at(-1)).toMatchObject({ event: 'finished' });
    expect(lines.some(({ lost }) => lost !== undefined)).toBe(true);
  });

  it('cancels', async () => {
    const context = writeFiles(join(directory, 'cancel'), {
      Dockerfile: `FROM ${BASE}\nRUN echo started; sleep 1000; : two hosts\n`,
    });
    const lines = await runClient(context, 'cancel');
    expect(lines).toContainEqual({ answer: expect.objectContaining({ cancelled: true }) as unknown });
    expect(lines.find(({ event }) => event === 'error')).toMatchObject({
      value: 'The build was cancelled by its client.',
    });
  });

  it('ends on SIGTERM and leaves nothing', async () => {
    daemon.child.kill('SIGTERM');
    const [code] =
      daemon.child.exitCode === null ? ((await once(daemon.child, 'exit')) as [number]) : [daemon.child.exitCode];
    expect(code).toBe(0);
    const log = daemon.errors
      .join('')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(log.at(-1)).toMatchObject({ level: 'info', message: 'stopped' });
    // A process's own directory may stay, empty, until the next one looks.
    const temporary = join(directory, 'store/zlayer/tmp');
    expect(readdirSync(temporary).flatMap((name) => readdirSync(join(temporary, name)))).toEqual([]);
    expect(readdirSync(join(directory, 'store/buildd/contexts/0'))).not.toContain('lock');
  });
});

interface ClientLine {
  readonly sent?: { readonly contents: number; readonly bytes: number };
  readonly printed?: string;
  readonly time?: number;
  readonly lost?: string;
  readonly event?: string;
}

const printed = (lines: readonly ClientLine[]): readonly string[] =>
  lines.flatMap(({ printed: text }) => (text === undefined ? [] : [text]));
const sentBy = (lines: readonly ClientLine[]) => lines.find(({ sent }) => sent !== undefined)!.sent!;

async function runClient(context: string, mode: string): Promise<readonly ClientLine[]> {
  const client = start(NAMES.client, [join(directory, 'client.cjs'), address, clientTls, context, mode]);
  const lines: ClientLine[] = [];
  for (let line = await client.lines.next(); line.done !== true; line = await client.lines.next()) {
    lines.push(JSON.parse(line.value) as ClientLine);
  }
  return lines;
}

function start(namespace: string, args: readonly string[]): Program {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: undefined };
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  const errors: string[] = [];
  child.stderr.on('data', (data: Buffer) => errors.push(data.toString()));
  return { child, errors, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

async function nextLine({ lines, errors }: Program): Promise<string> {
  const line = await lines.next();
  if (line.done === true) throw new Error(`The daemon ended: ${errors.join('')}`);
  return line.value;
}

async function cable(): Promise<void> {
  const { daemon: a, client: b } = NAMES;
  for (const name of [a, b]) {
    await runOk(['ip', 'netns', 'add', name]);
    await runOk(['ip', '-n', name, 'link', 'set', 'lo', 'up']);
  }
  await runOk(['ip', 'link', 'add', 'eth0', 'netns', a, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b]);
  for (const [name, ip] of [
    [a, DAEMON_IP],
    [b, CLIENT_IP],
  ] as const) {
    await runOk(['ip', '-n', name, 'addr', 'add', `${ip}/24`, 'dev', 'eth0']);
    await runOk(['ip', '-n', name, 'link', 'set', 'eth0', 'up']);
  }
}

const link = (state: 'up' | 'down') => runOk(['ip', '-n', NAMES.client, 'link', 'set', 'eth0', state]);
