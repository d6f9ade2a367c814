import { randomUUID } from 'node:crypto';
import { type RunContext, toBuildError } from '../../core/index.ts';
import { HealthResponse_Status, type InspectResponse } from '../../rpc/index.ts';
import type { Store } from '../../store/index.ts';
import type { Env } from '../selection/host-facts.ts';
import type { Availability, BuildBackend, BuildPlan, BuildResult, LoadedRequest } from '../types.ts';
import { capabilitiesOf, requireExtensions } from './capabilities.ts';
import { readConfiguration, type SidecarConfiguration } from './configuration.ts';
import { type Connector, createConnector } from './connection.ts';
import { parseJson } from './from-wire.ts';
import { createImageOperations } from './image-operations.ts';
import type { Patience } from './patience.ts';
import { receiveCaches } from './receive-cache.ts';
import { runSession } from './run-session.ts';
import { cacheReferences, sendCaches } from './send-caches.ts';
import { sendContexts } from './send-contexts.ts';
import { sendTree } from './send-tree.ts';
import { collectSignIns, imagesOf } from './sign-ins.ts';
import { toBuildRequest } from './to-build-request.ts';

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
  const { connector, patience, env, store } = parts;
  const { request } = loaded;
  const caches = await sendCaches(
    { env, send: (tree, name) => sendTree(parts, { tree, name }, context) },
    request,
    context,
  );
  const contexts = await sendContexts(parts, loaded, context);
  const references = [...imagesOf(loaded), ...cacheReferences(request)];
  const signIns = await collectSignIns(env, { given: request.credentials, references });
  const requestId = randomUUID();
  const message = toBuildRequest({ requestId, loaded, contexts, caches, signIns, planOnly });
  const finished = await runSession({ connector, patience }, { loaded, message: { ...message, requestId } }, context);
  if (!planOnly) await receiveCaches({ store, connector }, { requestId, request }, context);
  return finished;
}
