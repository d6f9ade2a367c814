import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BackendKind,
  type BuildBackend,
  type BuildPlan,
  type BuildRequest,
  type BuildResult,
  buildWith,
  createBackend,
  type LoadedRequest,
  loadRequest,
  openImageStore,
  openRegistry,
  planWith,
} from '../../src/backends/index.ts';
import type { BuildEvent } from '../../src/core/index.ts';
import type { Store } from '../../src/store/index.ts';
import { createBuildah } from '../support/buildah.ts';
import type { Surroundings } from './surroundings.ts';

/** What a build of a test is asked for. */
export interface Ask {
  readonly lines: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly request?: Partial<BuildRequest>;
}

/** A build with everything that it told of. */
export interface Built {
  readonly result: BuildResult;
  readonly events: readonly BuildEvent[];
  /** What its steps printed, of all streams. */
  readonly log: string;
}

/** A backend under test, with a store of its own. */
export interface Subject {
  readonly backend: BuildBackend;
  readonly store: Store;
  build(ask: Ask, signal?: AbortSignal, onEvent?: (event: BuildEvent) => void): Promise<Built>;
  plan(ask: Ask): Promise<BuildPlan>;
  close(): Promise<void>;
}

/** Opens a backend of a kind with fresh stores below a directory. */
export async function openSubject(
  around: Surroundings,
  { kind, root }: { readonly kind: BackendKind; readonly root: string },
): Promise<Subject> {
  const quiet = { signal: new AbortController().signal, emit: () => undefined };
  const store = await openImageStore(join(root, 'data'), quiet);
  const registry = openRegistry();
  const backend = await createBackend({ store, registry: registry.client, env: environmentOf(kind, root) }, kind);
  const load = ({ lines, files = {}, request = {} }: Ask): Promise<LoadedRequest> => {
    const path = around.directory({ ...files, Dockerfile: `${lines.join('\n')}\n` });
    return loadRequest(store, { context: { kind: 'directory', path }, ...request }, quiet);
  };
  return {
    backend,
    store,
    plan: async (ask) => planWith(backend, { loaded: await load(ask) }, quiet),
    build: async (ask, signal = new AbortController().signal, onEvent = () => undefined) => {
      const events: BuildEvent[] = [];
      const emit = (event: BuildEvent): void => {
        events.push(event);
        onEvent(event);
      };
      const result = await buildWith(backend, { loaded: await load(ask) }, { signal, emit });
      const log = events.map((event) => (event.kind === 'log' ? event.text : '')).join('');
      return { result, events, log };
    },
    close: async () => {
      await backend.close();
      await registry.close();
      await endDaemon(join(root, 'data/buildd/daemon.json'));
    },
  };
}

/** Every backend in its own store, whatever this process's environment says. */
function environmentOf(kind: BackendKind, root: string): Readonly<Record<string, string | undefined>> {
  const { ZLAYER_BACKEND: _backend, ZLAYER_BUILDD_ADDR: _address, ...plain } = process.env;
  if (kind !== 'buildah-cli') return plain;
  const { env } = createBuildah(root);
  return { ...plain, ...env, ZLAYER_BUILDAH_STORAGE: `overlay@${join(root, 'graph')}+${join(root, 'run')}` };
}

/** Ends the daemon that a sidecar has started, which would wait for more work. */
async function endDaemon(file: string): Promise<void> {
  if (!existsSync(file)) return;
  const { pid } = JSON.parse(readFileSync(file, 'utf8')) as { readonly pid: number };
  const until = Date.now() + 15_000;
  try {
    process.kill(pid, 'SIGTERM');
    while (Date.now() < until && !isOver(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
    if (!isOver(pid)) process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Gone, or a zombie that nobody has waited for: its parent is this process, which lets go of it. */
function isOver(pid: number): boolean {
  try {
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}
