import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildEvent } from '../../src/core/index.ts';
import { type DaemonFixture, openDaemon } from '../buildd/daemon-fixture.ts';
import { missingForRun } from '../integration/busybox-image.ts';
import { lacksPrograms } from '../support/host.ts';
import { openRealClient, type RealClient } from './real-client.ts';
import { openTcpLink } from './tcp-link.ts';

/** The link is away for so long, and the build goes on meanwhile. */
const CUT_MS = 400;
const BASE = 'localhost/busybox:latest';
const lacking = missingForRun();
if (lacking !== undefined) process.stderr.write(`SKIPPED test/sidecar/real-daemon: ${lacking}\n`);

describe.skipIf(lacking !== undefined)('a build through a daemon of ours', () => {
  let daemon: DaemonFixture;
  let client: RealClient;
  beforeAll(async () => {
    daemon = await openDaemon({ maxConcurrent: 3 });
    client = await openRealClient(daemon);
  });
  afterAll(async () => {
    await client?.close();
    await daemon?.close();
  });

  it.skipIf(lacksPrograms('test/sidecar/real-daemon', ['ssh-add', 'ldd']))(
    "asks the client's agent when a step does, over as many connections as the step opens",
    async () => {
      const agent = await openAgent(join(daemon.directory, 'agent'), 'key of the client');
      const files = join(daemon.directory, 'ssh-add');
      copyProgram(execFileSync('which', ['ssh-add'], { encoding: 'utf8' }).trim(), files);
      const step = 'RUN --mount=type=ssh,required=true /bin/ssh-add -l && /bin/ssh-add -l';
      const { log } = await client.build({
        dockerfile: `FROM ${BASE}\nCOPY --from=program / /\n${step}\nRUN test -z "$SSH_AUTH_SOCK" && echo none here\n`,
        request: { ssh: { default: agent.path }, buildContexts: { program: files } },
      });
      expect(log).toMatch(/^(256 SHA256:\S+ key of the client \(ED25519\)\n){2}none here\n$/);
      expect(agent.connections()).toBe(2);
      await agent.close();
    },
  );

  it('is one of twenty of four clients at once, and tells its place in the queue', async () => {
    const clients = await Promise.all(
      ['one', 'two', 'three', 'four'].map(async (name) => {
        await daemon.clientTls(name);
        return openRealClient({ ...daemon, tlsDirectory: join(daemon.tlsDirectory, 'clients', name) });
      }),
    );
    const raw = await daemon.connect();
    let most = 0;
    const built = await Promise.all(
      Array.from({ length: 20 }, async (_, index) =>
        clients[index % clients.length]!.build({
          dockerfile: `FROM ${BASE}\nRUN echo build ${index}; sleep 0.1\n`,
          onEvent: ({ kind }) => {
            if (kind === 'log') void raw.inspect({}).then(({ running }) => (most = Math.max(most, running)));
          },
        }),
      ),
    );
    expect(built.map(({ log }) => log)).toEqual(Array.from({ length: 20 }, (_, index) => `build ${index}\n`));
    const places = built.map(({ events }) => events.flatMap(placeOf));
    for (const told of places) expect(told).toEqual([...told].sort((a, b) => b - a));
    expect(places.filter((told) => told.length === 0)).toHaveLength(3);
    expect(Math.max(...places.flat())).toBe(19);
    expect(most).toBe(3);
    for (const each of clients) await each.close();
  });

  it('goes on while the link is cut, and every event comes once', async () => {
    const link = await openTcpLink(daemon.daemon.address);
    const far = await openRealClient(daemon, { address: link.address });
    let cutMs = 0;
    const { log, events } = await far.build({
      dockerfile: `FROM ${BASE}\nRUN for i in 1 2 3 4 5 6 7 8; do echo tick $i; sleep 0.1; done\nRUN echo done\n`,
      onEvent: (event) => {
        if (cutMs > 0 || event.kind !== 'log') return;
        cutMs = Date.now();
        link.cut();
        setTimeout(link.restore, CUT_MS);
      },
    });
    expect(log).toBe('tick 1\ntick 2\ntick 3\ntick 4\ntick 5\ntick 6\ntick 7\ntick 8\ndone\n');
    const lost = events.filter((event) => event.kind === 'warning' && event.code === 'DAEMON_CONNECTION_LOST');
    expect(lost).toHaveLength(1);
    const meanwhile = events.filter(({ kind, time }) => kind === 'log' && time > cutMs && time < cutMs + CUT_MS);
    expect(meanwhile.length).toBeGreaterThan(0);
    await far.close();
    await link.close();
  });
});

function placeOf(event: BuildEvent): readonly number[] {
  if (event.kind !== 'warning' || event.code !== 'BUILD_QUEUED') return [];
  return [Number(/(\d+) other build/.exec(event.message)?.[1])];
}

interface Agent {
  readonly path: string;
  /** Taken so far. */
  connections(): number;
  close(): Promise<void>;
}

/** An agent with one key, as far as `ssh-add -l` asks (draft-ietf-sshm-ssh-agent, 3.5: messages 11 and 12). */
async function openAgent(path: string, comment: string): Promise<Agent> {
  let connections = 0;
  const key = Buffer.concat([text('ssh-ed25519'), text(Buffer.alloc(32, 7))]);
  const answer = text(Buffer.concat([Buffer.from([12, 0, 0, 0, 1]), text(key), text(comment)]));
  const server: Server = createServer((socket) => {
    connections += 1;
    let received = Buffer.alloc(0);
    socket.on('data', (data) => {
      received = Buffer.concat([received, data]);
      while (received.length >= 5 && received.length >= 4 + received.readUInt32BE()) {
        const type = received[4];
        received = received.subarray(4 + received.readUInt32BE());
        // 5: what it does not know, such as an extension that newer programs ask for first.
        socket.write(type === 11 ? answer : text(Buffer.from([5])));
      }
    });
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    connections: () => connections,
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

/** Bytes after their length, as ssh has everything. */
function text(content: string | Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(content));
  return Buffer.concat([length, Buffer.from(content as string)]);
}

/** Copies a program as `bin/NAME` below a directory, and the libraries that it needs to where it looks for them. */
function copyProgram(path: string, directory: string): void {
  mkdirSync(join(directory, 'bin'), { recursive: true });
  cpSync(path, join(directory, 'bin', 'ssh-add'), { dereference: true });
  const libraries = execFileSync('ldd', [path], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  for (const library of libraries) {
    mkdirSync(join(directory, dirname(library)), { recursive: true });
    cpSync(library, join(directory, library), { dereference: true });
  }
}
