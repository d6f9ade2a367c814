import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isBuildError, type RunContext, toBuildError } from '../../core/index.ts';
import { HealthResponse_Status, type InspectResponse } from '../../rpc/index.ts';
import type { Store } from '../../store/index.ts';
import type { Env } from '../selection/host-facts.ts';
import type { Availability, BuildBackend, BuildPlan, BuildResult, ContextDirectory, LoadedRequest } from '../types.ts';
import { capabilitiesOf, requireExtensions } from './capabilities.ts';
import { readConfiguration, type SidecarConfiguration, toGuestPath } from './configuration.ts';
import { type Connection, type Connector, createConnector, isConnectionLost } from './connection.ts';
import { parseJson } from './from-wire.ts';
import { createImageOperations } from './image-operations.ts';
import { listTree } from './list-tree.ts';
import { createWaiting, type Patience } from './patience.ts';
import { runSession } from './run-session.ts';
import { collectSignIns, imagesOf } from './sign-ins.ts';
import { type SentContexts, toBuildRequest } from './to-build-request.ts';
import { uploadTree } from './upload-context.ts';

export interface SidecarDeps {
  /** For temporary directories and what is remembered of files; its root is the data directory. */
  readonly store: Store;
  readonly env: Env;
  /** Instead of the variables of `env`. */
  readonly configuration?: SidecarConfiguration;
  readonly patience?: Patience;
}

/** Until a daemon that was configured answers: whether it can be chosen must be known soon. */
const HEALTH_MS = 5_000;

/**
 * The backend that leaves building to a daemon, of this host or another. Images stay where the daemon keeps them. A daemon
 * whose address is not configured is that of this user, started when it is first needed. `capabilities` are those of the
 * daemon once it was asked.
 */
export function createSidecarBackend(deps: SidecarDeps): BuildBackend {
  const { store, env } = deps;
  const configuration = (): SidecarConfiguration => deps.configuration ?? readConfiguration(env, store.root);
  const connector = createConnector({ env, configuration });
  let inspected: InspectResponse | undefined;
  const watched: Connector = {
    ...connector,
    connect: async (context) => {
      const connection = await connector.connect(context);
      inspected = connection.inspected;
      return connection;
    },
  };
  const parts: Parts = { ...deps, connector: watched, configuration };
  return {
    name: 'buildah-sidecar',
    get capabilities() {
      return capabilitiesOf(inspected);
    },
    isAvailable: (context) => isAvailable(watched, context),
    buildImage: (loaded, context) => buildImage(parts, loaded, context),
    planImage: (loaded, context) => planImage(parts, loaded, context),
    exportImage: async ({ output, ...input }, context) => {
      if (output.kind === 'image' || output.kind === 'cacheonly') return;
      const connection = await watched.connect(context);
      requireExtensions(connection.inspected, 'send an image to this host');
      const { exportImage } = await import('./export-image.ts');
      await exportImage({ store, connection }, { ...input, output }, context);
    },
    ...createImageOperations({ connector: watched, env }),
    close: async () => connector.close(),
  };
}

interface Parts extends Omit<SidecarDeps, 'configuration'> {
  readonly connector: Connector;
  readonly configuration: () => SidecarConfiguration;
}

async function isAvailable(connector: Connector, context: RunContext): Promise<Availability> {
  try {
    const { client, address, inspected } = await connector.connect(context);
    const { status, detail } = await client.health({}, { signal: context.signal, timeoutMs: HEALTH_MS });
    if (status === HealthResponse_Status.NOT_SERVING) {
      const reason = `the build daemon at ${address} does not serve${detail === '' ? '' : `: ${detail}`}`;
      return { available: false, reasons: [reason] };
    }
    return { available: true, details: describe(address, inspected) };
  } catch (thrown) {
    return { available: false, reasons: [toBuildError(thrown).message.replace(/\.$/, '')] };
  }
}

function describe(address: string, { sidecarVersion, backend, buildahVersion }: InspectResponse): string {
  const builder = backend || 'buildah';
  const version = buildahVersion === '' ? '' : ` ${buildahVersion}`;
  return `${address}, version ${sidecarVersion || 'unknown'}, builds with ${builder}${version}`;
}

async function buildImage(parts: Parts, loaded: LoadedRequest, context: RunContext): Promise<BuildResult> {
  const connection = await parts.connector.connect(context);
  if (connection.inspected.protocol === 0) {
    const { buildByFirstProtocol } = await import('./first-protocol.ts');
    return buildByFirstProtocol({ connection, configuration: parts.configuration() }, loaded, context);
  }
  const { resultJson } = await run(parts, { loaded, planOnly: false }, context);
  return parseJson<BuildResult>(resultJson);
}

async function planImage(parts: Parts, loaded: LoadedRequest, context: RunContext): Promise<BuildPlan> {
  const { inspected } = await parts.connector.connect(context);
  requireExtensions(inspected, 'tell what a build would do');
  const { planJson } = await run(parts, { loaded, planOnly: true }, context);
  return parseJson<BuildPlan>(planJson);
}

async function run(
  parts: Parts,
  { loaded, planOnly }: { readonly loaded: LoadedRequest; readonly planOnly: boolean },
  context: RunContext,
) {
  const { connector, patience, env } = parts;
  const contexts = await sendContexts(parts, loaded, context);
  const signIns = await collectSignIns(env, { given: loaded.request.credentials, references: imagesOf(loaded) });
  const requestId = randomUUID();
  const message = toBuildRequest({ requestId, loaded, contexts, signIns, planOnly });
  return runSession({ connector, patience }, { loaded, message: { ...message, requestId } }, context);
}

async function sendContexts(parts: Parts, loaded: LoadedRequest, context: RunContext): Promise<SentContexts> {
  const named: Record<string, string> = {};
  for (const [name, value] of Object.entries(loaded.request.buildContexts ?? {})) {
    const directory = loaded.directories.get(name);
    named[name] =
      directory?.directory === undefined
        ? value
        : `tree:${await sendTree(parts, { directory, name: `build context ${name}` }, context)}`;
  }
  if (loaded.context.directory === undefined) return { context: undefined, named };
  const seen = await seenByDaemon(parts, loaded, context);
  if (seen !== undefined) return { context: { directory: seen }, named };
  const tree = await sendTree(parts, { directory: loaded.context, name: 'build context' }, context);
  return { context: { tree }, named };
}

/**
 * Where the daemon sees the context itself, which spares sending it. It reads `.dockerignore` there: a Dockerfile with an
 * ignore file of its own has its context sent.
 */
async function seenByDaemon(
  { configuration, connector }: Parts,
  { context: { directory = '' }, dockerfile }: LoadedRequest,
  context: RunContext,
): Promise<string | undefined> {
  const { contextMount } = configuration();
  const path = contextMount === undefined ? undefined : toGuestPath(contextMount, directory);
  if (path === undefined) return undefined;
  if (existsSync(join(directory, `${basename(dockerfile.fileName)}.dockerignore`))) return undefined;
  const { inspected } = await connector.connect(context);
  const isAllowed = inspected.allowedContexts.some(
    (allowed) => path === allowed || path.startsWith(allowed.endsWith('/') ? allowed : `${allowed}/`),
  );
  return isAllowed ? path : undefined;
}

interface SendTree {
  readonly directory: ContextDirectory;
  readonly name: string;
}

/** An upload goes on after a lost connection where it was broken off. */
async function sendTree(
  { store, connector, patience }: Parts,
  { directory, name }: SendTree,
  context: RunContext,
): Promise<string> {
  const tree = await listTree(store, directory, context);
  const waiting = createWaiting('the upload goes on', patience);
  let connection: Connection | undefined;
  for (;;) {
    try {
      connection = await connector.connect(context);
      return await uploadTree(connection, { tree, name }, context);
    } catch (error) {
      if (connection === undefined || context.signal.aborted || !isConnectionLost(error)) throw error;
      if (isBuildError(error, 'DAEMON_STOPPING')) connector.leave(connection);
      await waiting.pause(error, context);
    }
  }
}
