import type { Client } from '@grpc/grpc-js';
import { BuildError, isBuildError, type RunContext } from '../../core/index.ts';
import {
  BuildService,
  connectChannel,
  createServiceClient,
  type InspectResponse,
  loadClientTls,
  openChannel,
  probeConnection,
  type ServiceClient,
  statusOf,
  type TlsMaterial,
} from '../../rpc/index.ts';
import type { Env } from '../selection/host-facts.ts';
import type { SidecarConfiguration } from './configuration.ts';
import type { RunningDaemon } from './daemon-file.ts';
import { startDaemon } from './start-daemon.ts';

/** A daemon that answered. */
export interface Connection {
  readonly client: ServiceClient<typeof BuildService>;
  readonly address: string;
  readonly inspected: InspectResponse;
  /** Of this host and user. */
  readonly isOwn: boolean;
}

/** Connections to one daemon, made when they are needed and again when they were lost. */
export interface Connector {
  /** @throws BuildError `BACKEND_UNAVAILABLE` with the reason, `USAGE`, `CANCELLED`. */
  connect(context: Pick<RunContext, 'signal'>): Promise<Connection>;
  /**
   * Makes a call, over a new connection once more when the one that there was is lost and the call may be made twice.
   */
  call<T>(work: (connection: Connection) => Promise<T>, options: CallOptions, context: RunContext): Promise<T>;
  /** Leaves a daemon that is about to end: the next connection is to another one, where this host chooses it. */
  leave(connection: Connection): void;
  close(): void;
}

export interface CallOptions {
  /** The call may be made twice with the result of one. */
  readonly idempotent: boolean;
}

export interface ConnectorDeps {
  readonly env: Env;
  readonly configuration: () => SidecarConfiguration;
  /** Until a daemon that runs answers. */
  readonly connectMs?: number;
}

const CONNECT_MS = 10_000;
const ATTEMPTS = 3;
/** gRPC statuses of a call whose connection is not there, was closed by the other end, or broke. */
const UNAVAILABLE = 14;
const CANCELLED = 1;
const INTERNAL = 13;

interface Open extends Connection {
  readonly channel: Client;
  readonly daemon: RunningDaemon | undefined;
}

export function createConnector(deps: ConnectorDeps): Connector {
  const { connectMs = CONNECT_MS } = deps;
  let current: Promise<Open> | undefined;
  let left: RunningDaemon | undefined;

  /** A daemon of our own that does not answer was about to end when it was found: another one is started. */
  const openOwn = async (configuration: SidecarConfiguration, context: RunContext): Promise<Open> => {
    let not = left;
    for (let attempt = 1; ; attempt++) {
      const daemon = await startDaemon({ env: deps.env, configuration }, { not }, context);
      const tls = await loadClientTls(configuration.tlsDirectory);
      try {
        return await dial({ address: daemon.address, tls, daemon, connectMs }, context);
      } catch (error) {
        if (attempt === ATTEMPTS || !isBuildError(error, 'BACKEND_UNAVAILABLE')) throw error;
        not = daemon;
      }
    }
  };
  const open = async (context: RunContext): Promise<Open> => {
    const configuration = deps.configuration();
    const { address, tlsDirectory } = configuration;
    if (address === undefined) return openOwn(configuration, context);
    const tls = await loadClientTls(tlsDirectory);
    return dial({ address, tls, daemon: undefined, connectMs }, context);
  };
  const forget = (connection: Open | undefined): void => {
    current = undefined;
    connection?.channel.close();
  };
  const connect = async ({ signal }: Pick<RunContext, 'signal'>): Promise<Open> => {
    const context: RunContext = { signal, emit: () => undefined };
    const known = await current?.catch(() => undefined);
    if (known !== undefined) {
      try {
        await connectChannel(known.channel, { timeoutMs: connectMs }, context);
        return known;
      } catch (error) {
        if (isBuildError(error, 'CANCELLED')) throw error;
        forget(known);
      }
    }
    const opening = open(context);
    current = opening;
    return opening.catch((error: unknown) => {
      if (current === opening) current = undefined;
      throw error;
    });
  };
  const leave = (connection: Connection): void => {
    const { daemon } = connection as Open;
    left = daemon ?? left;
    forget(connection as Open);
  };
  return {
    connect,
    leave,
    call: async (work, { idempotent }, context) => {
      for (let attempt = 1; ; attempt++) {
        const connection = await connect(context);
        try {
          return await work(connection);
        } catch (error) {
          if (context.signal.aborted || attempt === ATTEMPTS || !isConnectionLost(error)) throw error;
          // Refused before it began: safe for every call.
          const isRefused = isBuildError(error, 'DAEMON_STOPPING');
          if (isRefused) leave(connection);
          else if (!idempotent) throw error;
        }
      }
    },
    close: () => {
      void current?.then(({ channel }) => channel.close()).catch(() => undefined);
      current = undefined;
    },
  };
}

/**
 * True when a call ended because its connection did, or because the daemon is about to end; whether the daemon has begun with
 * it is not known then. What the caller has cancelled is for the caller to tell apart.
 */
export function isConnectionLost(error: unknown): boolean {
  if (!isBuildError(error)) return false;
  const status = statusOf(error);
  switch (error.code) {
    case 'DAEMON_STOPPING':
      return true;
    case 'BACKEND_UNAVAILABLE':
      return status === undefined || status === UNAVAILABLE;
    case 'CANCELLED':
      return status === CANCELLED;
    case 'BACKEND_FAILED':
      return status === INTERNAL && /RST_STREAM/.test(error.message);
    default:
      return false;
  }
}

interface Dial {
  readonly address: string;
  readonly tls: TlsMaterial;
  readonly daemon: RunningDaemon | undefined;
  readonly connectMs: number;
}

async function dial({ address, tls, daemon, connectMs }: Dial, context: RunContext): Promise<Open> {
  const channel = openChannel({ address, tls });
  try {
    await connectChannel(channel, { timeoutMs: connectMs }, context);
    const client = createServiceClient(channel, BuildService);
    const inspected = await client.inspect({}, { signal: context.signal, timeoutMs: connectMs });
    return { channel, client, address, inspected, daemon, isOwn: daemon !== undefined };
  } catch (error) {
    channel.close();
    if (!isBuildError(error, 'BACKEND_UNAVAILABLE')) throw error;
    throw await explain(error, { address, tls, connectMs });
  }
}

/** Says why: the gRPC library tells little of what went wrong below it. */
async function explain(
  error: BuildError,
  { address, tls, connectMs }: Pick<Dial, 'address' | 'tls' | 'connectMs'>,
): Promise<BuildError> {
  const reason = await probeConnection({ address, tls }, { timeoutMs: Math.min(connectMs, 5000) });
  if (reason === undefined) return error;
  return new BuildError('BACKEND_UNAVAILABLE', `The build daemon at ${address} cannot be used: ${reason}.`, {
    cause: error,
    hint: 'Check ZLAYER_BUILDD_ADDR, ZLAYER_BUILDD_TLS_DIR, and that the daemon runs there.',
  });
}
