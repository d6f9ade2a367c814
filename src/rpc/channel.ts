import { createSecureContext } from 'node:tls';
import { Client, type ClientOptions, credentials, status } from '@grpc/grpc-js';
import type { RunContext } from '../core/index.ts';
import { KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS, MAX_MESSAGE_BYTES, WINDOW_BYTES } from './limits.ts';
import { fromStatus } from './status.ts';
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
 * Waits until the channel is connected.
 *
 * @throws BuildError `BACKEND_UNAVAILABLE` when it is not within `timeoutMs`; `CANCELLED`.
 */
export async function connectChannel(
  channel: Client,
  { timeoutMs }: { readonly timeoutMs: number },
  { signal }: Pick<RunContext, 'signal'>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => reject(Object.assign(new Error(), { code: status.CANCELLED, details: '' }));
    signal.addEventListener('abort', onAbort, { once: true });
    channel.waitForReady(Date.now() + timeoutMs, (error) => {
      signal.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(Object.assign(error, { code: status.UNAVAILABLE, details: error.message }));
    });
  }).catch((error: unknown) => {
    throw fromStatus(error);
  });
}
