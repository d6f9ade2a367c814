import { isBuildError, type RunContext, toBuildError } from '../core/index.ts';
import type { Store } from '../store/index.ts';
import type { BackendDeps, Together } from './backend-deps.ts';
import type { Others } from './build-with.ts';
import { lacksIsolation } from './native/open-executor.ts';
import { imageOsOf, type OpenedBackend, openBackend } from './open-backend.ts';
import { openImageStore } from './open-image-store.ts';
import { openRegistry } from './open-registry.ts';
import type { BackendKind } from './selection/kinds.ts';
import type { BuildBackend } from './types.ts';

/** Which backend is meant, and where our store is. */
export interface BackendUse {
  /** Default `ZLAYER_BACKEND`, else what suits this host. */
  readonly backend?: BackendKind | undefined;
  readonly dataDir?: string | undefined;
  /** Of the images; decides about their operating system alone. Default Linux. */
  readonly platform?: string | undefined;
  /** The builds of the work are one piece of work. */
  readonly together?: Together | undefined;
}

/** A backend for the time of some work, and what goes with it. */
export interface UsedBackend {
  readonly backend: BuildBackend;
  readonly others: Others;
  readonly store: Store;
}

/**
 * Chooses a backend, works with it, and closes it. Where our own engine was presumed to be able to run steps and cannot, the
 * work is done once more with the next backend that can.
 *
 * @throws BuildError as `openBackend` does; `STORE_*`; everything that the work throws, as `BuildError`.
 */
export async function withBackend<T>(
  use: BackendUse,
  context: RunContext,
  work: (used: UsedBackend) => Promise<T>,
): Promise<T> {
  return withDeps(use.dataDir, context, async (bare) => {
    const deps = { ...bare, ...(use.together === undefined ? {} : { together: use.together }) };
    const choice = { backend: use.backend, os: await imageOsOf(use.platform) };
    const workWith = async ({ backend }: OpenedBackend): Promise<T> => {
      const others: Others = async () =>
        (await import('./other-backends.ts')).otherBackends(deps, { backend: backend.name, os: choice.os });
      try {
        return await work({ backend, store: deps.store, others });
      } finally {
        await backend.close();
      }
    };
    const opened = await openBackend(deps, choice, context);
    try {
      return await workWith(opened);
    } catch (thrown) {
      const isWanting = opened.presumed && isBuildError(thrown, 'HOST_LACKS') && lacksIsolation(deps.store.root);
      const second = isWanting ? await openBackend(deps, choice, context).catch(() => undefined) : undefined;
      if (second === undefined) throw thrown;
      return await workWith(second);
    }
  });
}

/** Opens what backends are made of for the time of some work. @throws BuildError */
export async function withDeps<T>(
  dataDir: string | undefined,
  context: RunContext,
  work: (deps: BackendDeps) => Promise<T>,
): Promise<T> {
  const registry = openRegistry();
  try {
    const store = await openImageStore(dataDir, context);
    return await work({ store, registry: registry.client, env: process.env });
  } catch (thrown) {
    throw toBuildError(thrown);
  } finally {
    await registry.close();
  }
}
