import type { RegistryClient } from '../registry/index.ts';

/** A registry client that is made when it is first asked for. */
export function openRegistry(): {
  readonly client: () => Promise<RegistryClient>;
  readonly close: () => Promise<void>;
} {
  let opening: Promise<RegistryClient> | undefined;
  return {
    client: () => {
      opening ??= open();
      return opening;
    },
    close: async () => {
      if (opening === undefined) return;
      const client = await opening.catch(() => undefined);
      await client?.close();
    },
  };
}

async function open(): Promise<RegistryClient> {
  const { createDockerCredentials, createRegistryClient, loadRegistryHosts } = await import('../registry/index.ts');
  return createRegistryClient({
    credentials: createDockerCredentials({ env: process.env }),
    hosts: await loadRegistryHosts({ env: process.env }),
  });
}
