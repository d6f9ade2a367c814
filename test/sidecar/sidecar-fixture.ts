import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createSidecarBackend } from '../../src/backends/buildah-sidecar/sidecar-backend.ts';
import type { BuildBackend, BuildRequest, LoadedRequest } from '../../src/backends/index.ts';
import { loadRequest } from '../../src/backends/request/load-request.ts';
import type { BuildEvent, RunContext } from '../../src/core/index.ts';
import {
  BuildService,
  ensureTlsDirectory,
  loadServerTls,
  type MessageInput,
  openServer,
  type RpcServer,
  type ServiceImplementation,
  type SessionEventSchema,
  serveService,
} from '../../src/rpc/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';

export type Implementation = ServiceImplementation<typeof BuildService>;
export type SessionAnswer = MessageInput<typeof SessionEventSchema>;

/** A fake daemon, a client's store, and a build context, in a directory of their own. */
export interface Fixture {
  readonly root: string;
  readonly store: Store;
  readonly tlsDirectory: string;
  /** Serves what the test implements; `inspect` and `health` are there. */
  serve(implementation: Implementation): Promise<RpcServer>;
  backend(address: string, env?: Readonly<Record<string, string>>): BuildBackend;
  write(files: Readonly<Record<string, string | Buffer>>): string;
  load(request?: Partial<BuildRequest>): Promise<LoadedRequest>;
  close(): Promise<void>;
}

/** Fast enough for a test, slow enough to be seen. */
const PATIENCE = { totalMs: 3000, firstPauseMs: 5, maxPauseMs: 50 };

export async function openFixture(): Promise<Fixture> {
  const root = mkdtempSync(join(tmpdir(), 'zlayer-sidecar-'));
  const store = await openStore({ root: join(root, 'data') });
  const tlsDirectory = join(root, 'tls');
  await ensureTlsDirectory(tlsDirectory);
  const servers: RpcServer[] = [];
  const backends: BuildBackend[] = [];
  const context = join(root, 'context');
  mkdirSync(context);
  return {
    root,
    store,
    tlsDirectory,
    serve: async (implementation) => {
      const defaults: Implementation = {
        inspect: async () => ({ protocol: 2, sidecarVersion: '9.9', backend: 'native' }),
        health: async () => ({ status: 1 }),
        offerTree: async (messages) => {
          for await (const _ of messages);
          return { tree: `sha256:${'1'.repeat(64)}` };
        },
      };
      const server = await openServer([serveService(BuildService, { ...defaults, ...implementation })], {
        address: '127.0.0.1:0',
        tls: await loadServerTls(tlsDirectory),
      });
      servers.push(server);
      return server;
    },
    backend: (address, env = {}) => {
      const backend = createSidecarBackend({
        store,
        env: { ZLAYER_BUILDD_ADDR: address, ZLAYER_BUILDD_TLS_DIR: tlsDirectory, HOME: root, ...env },
        patience: PATIENCE,
      });
      backends.push(backend);
      return backend;
    },
    write: (files) => {
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(context, name)), { recursive: true });
        writeFileSync(join(context, name), content);
      }
      return context;
    },
    load: (request = {}) =>
      loadRequest(store, { context: { kind: 'directory', path: context }, ...request }, observe().context),
    close: async () => {
      for (const backend of backends) await backend.close();
      for (const server of servers) await server.close({ graceMs: 100 });
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** A context that keeps the events. */
export function observe(signal: AbortSignal = new AbortController().signal): {
  readonly context: RunContext;
  readonly events: BuildEvent[];
} {
  const events: BuildEvent[] = [];
  return { events, context: { signal, emit: (event) => events.push(event) } };
}

export const RESULT = { digest: `sha256:${'a'.repeat(64)}`, references: ['docker.io/library/x:latest'] };

export const accepted = (requestId: string): SessionAnswer => toEvent(1, { case: 'accepted', value: { requestId } });

export const finished = (sequence: number): SessionAnswer =>
  toEvent(sequence, { case: 'finished', value: { resultJson: Buffer.from(JSON.stringify(RESULT)) } });

export const printed = (sequence: number, text: string): SessionAnswer => {
  const event = { kind: 'log', time: Date.now(), vertex: 'v', stream: 'stdout', text };
  return toEvent(sequence, { case: 'progress', value: { eventJson: Buffer.from(JSON.stringify(event)) } });
};

export function toEvent(sequence: number, event: EventInput): SessionAnswer {
  return { sequence: BigInt(sequence), message: { case: 'event', value: { event } } };
}

type EventInput = NonNullable<
  Extract<
    Extract<NonNullable<SessionAnswer['message']>, { case: 'event' }>['value'],
    { readonly $typeName?: never }
  >['event']
>;

/** A promise with the function that resolves it. */
export function createSignal<T = void>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
