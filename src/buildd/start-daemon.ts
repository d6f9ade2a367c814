import { setMaxListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BackendKind, type BuildBackend, openBackend, openImageStore, openRegistry } from '../backends/index.ts';
import { BuildError } from '../core/index.ts';
import {
  BuildService,
  Health,
  openServer,
  type RpcServer,
  type ServedCall,
  type ServeOptions,
  serveService,
  type TlsMaterial,
} from '../rpc/index.ts';
import { type Activity, createActivity } from './activity.ts';
import { type BuildRegistry, createBuildRegistry } from './builds/build-registry.ts';
import { createBuildQueue } from './builds/queue.ts';
import { type ContextStore, openContextStore } from './contexts/context-store.ts';
import type { DaemonLog } from './daemon-log.ts';
import type { DaemonPolicy } from './request/daemon-policy.ts';
import { createPathPolicy } from './request/path-policy.ts';
import { createBuildMethods } from './services/build-methods.ts';
import { createCacheMethods } from './services/cache-methods.ts';
import { createContextMethods } from './services/context-methods.ts';
import { createDaemonMethods } from './services/daemon-methods.ts';
import type { DaemonState } from './services/daemon-state.ts';
import { createExportMethods } from './services/export-methods.ts';
import { createHealthService } from './services/health-service.ts';
import { createImageMethods } from './services/image-methods.ts';

/** How a build daemon is run. Times in milliseconds. */
export interface DaemonOptions {
  readonly version: string;
  /** `host:port`; port 0 is any free one. */
  readonly address: string;
  readonly tls: TlsMaterial;
  /** Root of the image store; default that of this user. */
  readonly storageRoot?: string | undefined;
  readonly backend: BackendKind;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Builds that run at once. */
  readonly maxConcurrent: number;
  /** The daemon ends after so long without work; 0 is never. */
  readonly idleMs: number;
  /** How long a build goes on without its client, and its end is kept for one. */
  readonly detachMs: number;
  /** How long running work may go on once the daemon is to end. */
  readonly graceMs: number;
  /** Build contexts kept, of all clients. */
  readonly contextBytes: number;
  readonly allow: {
    readonly contexts: readonly string[];
    readonly entitlements: readonly string[];
    readonly secretEnvs: readonly string[];
    readonly sshAgent: boolean;
    /** The sign-ins to registries that this host keeps. */
    readonly signIns: boolean;
  };
  /** Refuses calls of clients whose certificate is no longer wanted. */
  readonly authorize?: ((call: ServedCall) => void) | undefined;
  readonly log: DaemonLog;
}

/** A daemon that serves. */
export interface Daemon {
  /** With the port that was chosen. */
  readonly address: string;
  /** Takes no new work, lets what runs end for a while, cancels the rest, and ends. May be called twice. */
  stop(why: string): Promise<void>;
  /** Resolves when the daemon has ended, by `stop` or because it was idle. */
  readonly ended: Promise<void>;
  updateTls(tls: TlsMaterial): void;
}

/** Work that was cancelled has so long to clean up. */
const CLEAN_UP_MS = 10_000;

/**
 * Starts a build daemon.
 *
 * @throws BuildError `USAGE`, `STORE_*`, `UNSUPPORTED` for a backend that is not for this host, `HOST_LACKS` when the address
 * cannot be listened on.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const policy = createPolicy(options);
  const unobserved = { signal: new AbortController().signal, emit: () => undefined };
  const store = await openImageStore(options.storageRoot, unobserved);
  const { signIns } = options.allow;
  const registry = openRegistry({ authFiles: signIns });
  const directory = await store.makeTempDir('buildd');
  const env = signIns ? options.env : withoutSignIns(options.env, directory);
  const contexts = openContextStore({
    directory: join(store.root, 'buildd', 'contexts'),
    maxBytes: options.contextBytes,
  });
  const draining = new AbortController();
  const stopping = new AbortController();
  // Every call in flight listens.
  setMaxListeners(0, draining.signal, stopping.signal);
  let stopped: Promise<void> | undefined;
  const stop = (why: string): Promise<void> => {
    stopped ??= end(why);
    return stopped;
  };
  const activity = createActivity({ idleMs: options.idleMs, onIdle: () => void stop('idle') });
  const backend = createLazyBackend(async () => {
    const deps = { store, registry: registry.client, env };
    return (await openBackend(deps, { backend: options.backend, os: 'linux' }, unobserved)).backend;
  });
  const queue = createBuildQueue(options.maxConcurrent);
  const { log, detachMs } = options;
  const builds = createBuildRegistry({
    store,
    policy,
    backend: backend.open,
    queue,
    activity,
    log,
    directory,
    detachMs,
  });
  const state: DaemonState = {
    version: options.version,
    storageRoot: store.root,
    maxConcurrent: options.maxConcurrent,
    policy,
    backend: backend.open,
    contexts,
    builds,
    queue,
    activity,
    stopping: stopping.signal,
    isDraining: () => draining.signal.aborted,
  };
  const serving: ServeOptions = {
    ...(options.authorize === undefined ? {} : { authorize: options.authorize }),
    watch: (call) => watchCall(log, call),
  };
  const server = await openServer(
    [
      serveService(
        BuildService,
        {
          ...createBuildMethods(state),
          ...createContextMethods(state),
          ...createImageMethods(state),
          ...createExportMethods(state, store),
          ...createCacheMethods(state),
          ...createDaemonMethods(state),
        },
        serving,
      ),
      serveService(Health, createHealthService({ isDraining: state.isDraining, draining: draining.signal }), {}),
    ],
    { address: options.address, tls: options.tls },
  ).catch((error: unknown) => {
    contexts.close();
    throw error;
  });
  let resolveEnded = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    resolveEnded = resolve;
  });
  log.info('listening', { address: server.address, backend: options.backend, storage: store.root });

  async function end(why: string): Promise<void> {
    log.info('stopping', { why, inFlight: activity.inFlight });
    draining.abort();
    await drain({ activity, builds, stopping, graceMs: options.graceMs });
    await close({ server, builds, activity, contexts });
    await rm(directory, { recursive: true, force: true });
    await backend.close();
    await registry.close();
    log.info('stopped');
    resolveEnded();
  }
  return { address: server.address, stop, ended, updateTls: (tls) => server.updateTls(tls) };
}

function createPolicy({ allow, backend, env }: DaemonOptions): DaemonPolicy {
  const agent = env['SSH_AUTH_SOCK'];
  if (allow.sshAgent && agent === undefined) {
    throw new BuildError('USAGE', '--allow-ssh-agent: there is no agent, SSH_AUTH_SOCK is not set.');
  }
  return {
    paths: createPathPolicy(allow.contexts),
    entitlements: allow.entitlements,
    secretEnvs: allow.secretEnvs,
    sshAgent: allow.sshAgent ? agent : undefined,
    backend,
  };
}

/** buildah looks into no other file than the one that is named. */
function withoutSignIns(env: DaemonOptions['env'], directory: string): DaemonOptions['env'] {
  const path = join(directory, 'no-sign-ins.json');
  writeFileSync(path, '{}', { mode: 0o600 });
  return { ...env, REGISTRY_AUTH_FILE: path };
}

interface LazyBackend {
  readonly open: () => Promise<BuildBackend>;
  readonly close: () => Promise<void>;
}

/** A backend that could not be opened is tried again by the next call. */
function createLazyBackend(open: () => Promise<BuildBackend>): LazyBackend {
  let opening: Promise<BuildBackend> | undefined;
  return {
    open: () => {
      opening ??= open().catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      return opening;
    },
    close: async () => (await opening?.catch(() => undefined))?.close(),
  };
}

function watchCall(log: DaemonLog, { path, peer }: ServedCall): (failure: unknown) => void {
  const startedMs = Date.now();
  const method = path.slice(path.lastIndexOf('/') + 1);
  return (failure) =>
    log.debug('call', {
      method,
      client: peer.identity,
      durationMs: Date.now() - startedMs,
      ...(failure instanceof BuildError ? { code: failure.code } : {}),
    });
}

interface Drain {
  readonly activity: Activity;
  readonly builds: BuildRegistry;
  readonly stopping: AbortController;
  readonly graceMs: number;
}

/** Waits for the work that runs, then cancels it and waits until it has cleaned up. */
async function drain({ activity, builds, stopping, graceMs }: Drain): Promise<void> {
  await atMost(graceMs, activity.whenQuiet());
  builds.cancelAll(
    new BuildError('CANCELLED', 'The build was cancelled: the daemon was ended.', { hint: 'Start the build again.' }),
  );
  stopping.abort();
  await atMost(CLEAN_UP_MS, builds.whenEnded());
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

interface Closing {
  readonly server: RpcServer;
  readonly builds: BuildRegistry;
  readonly activity: Activity;
  readonly contexts: ContextStore;
}

/** Clients that follow a build have a moment to get its last event. */
const LAST_WORDS_MS = 1000;

async function close({ server, builds, activity, contexts }: Closing): Promise<void> {
  await server.close({ graceMs: LAST_WORDS_MS });
  activity.close();
  builds.close();
  contexts.close();
}
