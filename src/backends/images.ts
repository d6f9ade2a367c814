import {
  BuildError,
  formatReference,
  type Platform,
  platformOfHost,
  type Reference,
  type RunContext,
} from '../core/index.ts';
import type { PulledImage } from '../registry/index.ts';
import { factsOfHost } from './selection/host-facts.ts';
import type { BackendKind } from './selection/kinds.ts';
import type { ImageReceipt, PushImageInput } from './types.ts';
import { withBackend, withDeps } from './with-backend.ts';

export interface PullInput {
  readonly reference: Reference;
  /** Default this host's. */
  readonly platform?: Platform | undefined;
  readonly dataDir?: string | undefined;
}

export interface PushInput extends Pick<PushImageInput, 'credentials'> {
  readonly reference: Reference;
  /** Whose image it is; default as for a build. */
  readonly backend?: BackendKind | undefined;
  readonly dataDir?: string | undefined;
}

/**
 * Fetches an image into the local store, which is native's, and names it.
 *
 * @throws BuildError `IMAGE_NOT_FOUND`, `PLATFORM_NOT_FOUND`, `REGISTRY_*`, `STORE_*`.
 */
export async function pull(input: PullInput, context: RunContext): Promise<PulledImage> {
  return withDeps(input.dataDir, context, async ({ store, registry }) => {
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
 * Sends an image that a backend keeps to the registry that its name tells.
 *
 * @throws BuildError `IMAGE_NOT_FOUND` when the backend has no such image, `REGISTRY_*`.
 */
export async function push(input: PushInput, context: RunContext): Promise<ImageReceipt> {
  const { reference, credentials, ...use } = input;
  return withBackend(use, context, ({ backend }) =>
    backend.pushImage(
      { image: formatReference(reference), ...(credentials === undefined ? {} : { credentials }) },
      context,
    ),
  );
}

/**
 * Refuses an operation on the local store where another backend than native was named: its images are elsewhere.
 *
 * @throws BuildError `UNSUPPORTED`; as `selectBackend` for a name that is none.
 */
export async function requireNative(
  { backend, operation }: { readonly backend?: BackendKind | undefined; readonly operation: string },
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { namedBackend } = await import('./selection/select-backend.ts');
  const named = namedBackend({ backend, os: 'linux' }, factsOfHost(env));
  if (named === undefined || named.backend === 'native') return;
  throw new BuildError(
    'UNSUPPORTED',
    `\`${operation}\` works on the local store alone, and the backend ${named.backend} keeps its images elsewhere.`,
    {
      hint: `Use the local store with --backend native${named.origin === 'environment' ? ': ZLAYER_BACKEND names the other' : ''}.`,
    },
  );
}
