import {
  BuildError,
  formatReference,
  type Platform,
  platformOfHost,
  type Reference,
  type RunContext,
  toBuildError,
} from '../core/index.ts';
import type { PulledImage, PushedImage, RegistryClient } from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import { openImageStore } from './open-image-store.ts';
import { openRegistry } from './open-registry.ts';

export interface PullInput {
  readonly reference: Reference;
  /** Default this host's. */
  readonly platform?: Platform | undefined;
  readonly dataDir?: string | undefined;
}

export interface PushInput {
  readonly reference: Reference;
  readonly dataDir?: string | undefined;
}

/**
 * Fetches an image into the store and names it.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `REGISTRY_*`, `STORE_*`.
 */
export async function pull(input: PullInput, context: RunContext): Promise<PulledImage> {
  return withRegistry(input.dataDir, context, async (store, registry) => {
    const lease = await store.openLease();
    try {
      const { storePulledImage } = await import('./native/store-pulled-image.ts');
      const platform = input.platform ?? platformOfHost(process.platform, process.arch);
      const { reference } = input;
      const pulled = await storePulledImage({ store, client: await registry() }, { reference, platform }, context);
      await store.images.set([formatReference(reference)], pulled.root);
      return pulled;
    } finally {
      await lease.release();
    }
  });
}

/**
 * Sends an image of the store to the registry that its name tells.
 *
 * @throws BuildError `IMAGE_NOT_FOUND` when the store has no such image, `REGISTRY_*`.
 */
export async function push(input: PushInput, context: RunContext): Promise<PushedImage> {
  return withRegistry(input.dataDir, context, async (store, registry) => {
    const name = formatReference(input.reference);
    const image = await store.images.get(name);
    if (image === undefined) {
      throw new BuildError('IMAGE_NOT_FOUND', `${name} is not in the store.`, {
        hint: 'List what is there with `zlayer images`, and name an image with `zlayer tag`.',
      });
    }
    const { writeRegistryOutput } = await import('../outputs/index.ts');
    const client = await registry();
    const output = { descriptor: image.descriptor, references: [input.reference] };
    return (await writeRegistryOutput({ store, client }, output, context))[0]!;
  });
}

async function withRegistry<T>(
  dataDir: string | undefined,
  context: RunContext,
  work: (store: Store, registry: () => Promise<RegistryClient>) => Promise<T>,
): Promise<T> {
  const registry = openRegistry();
  try {
    return await work(await openImageStore(dataDir, context), registry.client);
  } catch (error) {
    throw toBuildError(error);
  } finally {
    await registry.close();
  }
}
