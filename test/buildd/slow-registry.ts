import { openRegistryProxy, type RegistryProxy } from './registry-proxy.ts';

/** A proxy before a registry that holds uploads back. */
export interface SlowRegistry extends RegistryProxy {
  /** Resolves when the first upload has arrived and waits. */
  readonly held: Promise<void>;
  /** Lets everything through from now on. */
  release(): void;
}

export async function openSlowRegistry(target: string): Promise<SlowRegistry> {
  let release = (): void => undefined;
  let tell = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const held = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const proxy = await openRegistryProxy(target, async ({ method }) => {
    if (method === 'POST') {
      tell();
      await released;
    }
    return true;
  });
  return {
    ...proxy,
    held,
    release,
    close: async () => {
      release();
      await proxy.close();
    },
  };
}
