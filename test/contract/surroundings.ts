import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import {
  buildWith,
  createBackend,
  loadRequest,
  openRegistry as openClient,
  openImageStore,
} from '../../src/backends/index.ts';
import type { RunContext } from '../../src/core/index.ts';
import { BUSYBOX_IMAGE, importBusybox } from '../integration/busybox-image.ts';
import { openRegistry } from '../support/registry.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { type GuardedRegistry, guardRegistry, serveGit, serveTexts, type TestServer } from './servers.ts';

export const SIGN_IN = { username: 'contract', password: 'p4ss:word' } as const;

const FILE_TIME = 1_600_000_000;

/** What stands around every backend under test: registries, servers, an agent. Nothing of it depends on a backend. */
export interface Surroundings {
  readonly root: string;
  /** Holds `busybox:latest`; may be written to. */
  readonly registry: string;
  /** The same registry, through a door that can be shut. */
  readonly door: GuardedRegistry;
  /** The same registry, for those who sign in with `SIGN_IN`. */
  readonly locked: TestServer;
  /** Serves `/file` with the text `fetched`. */
  readonly files: TestServer;
  /** Serves `/repo.git` with the file `tracked`. */
  readonly git: TestServer;
  /** Path of a socket on which an SSH agent would listen. */
  readonly agent: string;
  /** Puts an image into the registry: busybox with the file `/which`. */
  publish(name: string, which: string): Promise<void>;
  /** A fresh directory with these files. */
  directory(files: Readonly<Record<string, string>>): string;
  close(): Promise<void>;
}

const QUIET: RunContext = { signal: new AbortController().signal, emit: () => undefined };

export async function openSurroundings(): Promise<Surroundings> {
  const root = makeTempDir('contract');
  let count = 0;
  const directory = (files: Readonly<Record<string, string>>): string => {
    count += 1;
    const path = join(root, `files-${count}`);
    mkdirSync(path);
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), text);
      // Times of files are part of what a step copies: a case that builds twice means the same files.
      utimesSync(join(path, name), FILE_TIME, FILE_TIME);
    }
    return path;
  };
  const registry = await openRegistry(directory({}));
  const publisher = await openPublisher(join(root, 'publisher'), registry.host);
  const [door, locked, files, git, agent] = await Promise.all([
    guardRegistry(registry.host),
    guardRegistry(registry.host, SIGN_IN),
    serveTexts({ '/file': 'fetched' }),
    serveGit(directory({}), { name: 'tracked', text: 'from git' }),
    listenOnSocket(join(root, 'agent')),
  ]);
  return {
    root,
    registry: registry.host,
    door,
    locked,
    files,
    git,
    agent: join(root, 'agent'),
    publish: (name, which) =>
      publisher.publish(name, directory({ which, Dockerfile: `FROM ${BUSYBOX_IMAGE}\nCOPY which /\n` })),
    directory,
    close: async () => {
      agent.close();
      await publisher.close();
      await Promise.all([door.close(), locked.close(), files.close(), git.close(), registry.close()]);
      await removeTempDir(root);
    },
  };
}

interface Publisher {
  publish(name: string, context: string): Promise<void>;
  close(): Promise<void>;
}

async function openPublisher(dataDir: string, host: string): Promise<Publisher> {
  await importBusybox(dataDir);
  const store = await openImageStore(dataDir, QUIET);
  const client = openClient();
  const backend = await createBackend({ store, registry: client.client, env: process.env }, 'native');
  await backend.pushImage({ image: BUSYBOX_IMAGE, destination: `${host}/busybox:latest` }, QUIET);
  return {
    publish: async (name, path) => {
      const request = { context: { kind: 'directory', path }, tags: [`${host}/${name}`], push: true } as const;
      await buildWith(backend, { loaded: await loadRequest(store, request, QUIET) }, QUIET);
    },
    close: async () => {
      await backend.close();
      await client.close();
    },
  };
}

async function listenOnSocket(path: string): Promise<Server> {
  const server = createServer((connection) => connection.end());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}
