import type { CredentialProvider, Credentials, RegistryClient } from '../registry/index.ts';

/** Sign-ins of a request, by registry host. */
export type GivenCredentials = Readonly<Record<string, Credentials>>;

/**
 * Gives registry clients. Without credentials there is one for all, made when it is first asked for, and closed by who made
 * the lender. With credentials, which come before those of the auth files, it is a new one that its user closes.
 */
export type LendRegistry = (credentials?: GivenCredentials) => Promise<RegistryClient>;

/** What registry clients may use. */
export interface RegistryOptions {
  /** The sign-ins that auth files of this host hold; default true. */
  readonly authFiles?: boolean;
}

/** Registry clients for as long as they are not closed. */
export function openRegistry({ authFiles = true }: RegistryOptions = {}): {
  readonly client: LendRegistry;
  readonly close: () => Promise<void>;
} {
  let opening: Promise<RegistryClient> | undefined;
  return {
    client: (credentials) => {
      if (credentials !== undefined) return open(credentials, authFiles);
      opening ??= open({}, authFiles);
      return opening;
    },
    close: async () => {
      if (opening === undefined) return;
      const client = await opening.catch(() => undefined);
      await client?.close();
    },
  };
}

/** Whoever has no sign-in of its own asks without one. */
const ANONYMOUS: CredentialProvider = {
  resolve: async () => ({ credentials: { kind: 'anonymous' }, source: 'nowhere: sign-ins of the host are not used' }),
};

async function open(credentials: GivenCredentials, authFiles: boolean): Promise<RegistryClient> {
  const registry = await import('../registry/index.ts');
  const { env } = process;
  const otherwise = authFiles ? registry.createDockerCredentials({ env }) : ANONYMOUS;
  return registry.createRegistryClient({
    credentials: registry.createGivenCredentials(credentials, otherwise),
    hosts: await registry.loadRegistryHosts({ env }),
  });
}

/** Lends a client for the time of some work: that of all, or one of its own for credentials that came with the work. */
export async function withRegistry<T>(
  lend: LendRegistry,
  credentials: GivenCredentials | undefined,
  work: (client: () => Promise<RegistryClient>) => Promise<T>,
): Promise<T> {
  if (credentials === undefined || Object.keys(credentials).length === 0) return work(() => lend());
  let opening: Promise<RegistryClient> | undefined;
  const client = (): Promise<RegistryClient> => {
    opening ??= lend(credentials);
    return opening;
  };
  try {
    return await work(client);
  } finally {
    await (await opening?.catch(() => undefined))?.close();
  }
}
