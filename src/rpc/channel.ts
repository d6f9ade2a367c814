import { createSecureContext } from 'node:tls';
import { Client, type ClientOptions, connectivityState, credentials } from '@grpc/grpc-js';
import { BuildError, type RunContext, throwIfCancelled } from '../core/index.ts';
import { KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, MAX_MESSAGE_BYTES, WINDOW_BYTES } from './limits.ts';
import { SERVER_NAME, type TlsMaterial } from './tls/material.ts';

/** Where a channel leads, and who it is that calls. */
export interface ChannelInput {
  /** `host:port`. */
  readonly address: string;
  readonly tls: TlsMaterial;
}

/** Options of both ends. */
export const SHARED_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc-node.flow_control_window': WINDOW_BYTES,
  'grpc.enable_channelz': 0,
} as const satisfies ClientOptions;

/**
 * A connection to a daemon: TLS 1.3 with both sides' certificates verified, whatever address the daemon is reached by.
 * Nothing is dialled before the first call. A lost connection is made again by the next call; no call is repeated.
 */
export function openChannel({ address, tls }: ChannelInput): Client {
  const context = createSecureContext({ ca: tls.ca, cert: tls.cert, key: tls.key, minVersion: 'TLSv1.3' });
  return new Client(address, credentials.createFromSecureContext(context), {
    ...SHARED_OPTIONS,
    'grpc.ssl_target_name_override': SERVER_NAME,
    'grpc.default_authority': SERVER_NAME,
    // Proxies of the environment are for registries; the daemon's address is one that the user gave.
    'grpc.enable_http_proxy': 0,
    // Connections are not shared with channels of other identities, and end with this one.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
  });
}

/**
 * Waits until the channel is connected; gives up with the first attempt that fails.
 *
 * @throws BuildError `BACKEND_UNAVAILABLE` when it fails, or takes longer than `timeoutMs`; `CANCELLED`.
 */
export async function connectChannel(
  client: Client,
  { timeoutMs }: { readonly timeoutMs: number },
  { signal }: Pick<RunContext, 'signal'>,
): Promise<void> {
  const channel = client.getChannel();
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    throwIfCancelled(signal);
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) return;
    if (state === connectivityState.SHUTDOWN) throw notConnected('the connection was closed');
    // It tells so until it is connected, however often it tries: whoever does not want to wait dials anew.
    if (state === connectivityState.TRANSIENT_FAILURE) throw notConnected('it cannot be reached');
    await changeOf(channel, { state, deadline }, signal);
    if (Date.now() >= deadline) throw notConnected('it does not answer');
  }
}

function notConnected(why: string): BuildError {
  return new BuildError('BACKEND_UNAVAILABLE', `There is no connection to the build daemon: ${why}.`);
}

interface Watched {
  readonly state: connectivityState;
  readonly deadline: number;
}

/** Resolves when the state is another, the deadline is over, or the signal aborts. */
function changeOf(
  channel: ReturnType<Client['getChannel']>,
  { state, deadline }: Watched,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      signal.removeEventListener('abort', end);
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
    channel.watchConnectivityState(state, deadline, end);
  });
}
