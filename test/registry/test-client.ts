import { type BuildError, isBuildError, type Reference } from '../../src/core/index.ts';
import {
  type CredentialProvider,
  type Credentials,
  createRegistryClient,
  type RegistryClient,
  type RegistryClientOptions,
} from '../../src/registry/index.ts';

/** The same credentials for every registry. */
export function fixedCredentials(
  credentials: Credentials = { kind: 'anonymous' },
  source = 'the test',
): CredentialProvider {
  return { resolve: async () => ({ credentials, source }) };
}

/** A client that never waits: what it would have slept is in `sleeps`, in milliseconds. */
export function createTestClient(options: Partial<RegistryClientOptions> & { readonly login?: Credentials } = {}): {
  readonly client: RegistryClient;
  readonly sleeps: number[];
} {
  const sleeps: number[] = [];
  let nowMs = 1_700_000_000_000;
  const client = createRegistryClient({
    credentials: fixedCredentials(options.login),
    env: {},
    timing: {
      now: () => nowMs,
      random: () => 0.5,
      sleep: async (milliseconds, signal) => {
        signal.throwIfAborted();
        sleeps.push(milliseconds);
        nowMs += milliseconds;
      },
    },
    ...options,
  });
  return { client, sleeps };
}

export function referenceTo(host: string, name: string): Reference {
  const [repository = '', tag = 'latest'] = name.split(':');
  return { registry: host, repository, tag };
}

/** All bytes of a stream. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The error that a promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<BuildError> {
  try {
    await promise;
  } catch (error) {
    if (isBuildError(error)) return error;
    throw error;
  }
  throw new Error('nothing failed');
}
