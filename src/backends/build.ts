import { type BuildEvent, type RunContext, toBuildError } from '../core/index.ts';
import { type Outline, outlineDockerfile, type TargetInfo, targetsOf } from '../dockerfile/index.ts';
import type { Store } from '../store/index.ts';
import { buildWith, checkPush, planWith } from './build-with.ts';
import { checkNative } from './native/check-image.ts';
import { observeBuild } from './observe-build.ts';
import { openImageStore } from './open-image-store.ts';
import { loadRequest } from './request/load-request.ts';
import type { BuildPlan, BuildRequest, BuildResult, CheckResult, LoadedRequest } from './types.ts';
import { withBackend } from './with-backend.ts';

/** How a build is cancelled and observed. Aborting ends every process that the build started. */
export interface BuildOptions {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: BuildEvent) => void;
}

/**
 * Builds an image from a Dockerfile: into the local store, and to every output that the request names.
 *
 * @throws BuildError always: every failure is one, with a code, a hint and, where a step is to blame, its place.
 */
export async function build(request: BuildRequest, options: BuildOptions = {}): Promise<BuildResult> {
  return observeBuild(request, runContext(options), async (context) => {
    checkPush(request);
    let loaded: LoadedRequest | undefined;
    return withBackend(request, context, async ({ store, backend, others }) => {
      loaded ??= await loadRequest(store, request, context);
      return buildWith(backend, { loaded, others }, context);
    });
  });
}

/**
 * Tells what `build` would do, and why: which steps are cached, which would run. Runs no step and names no image.
 *
 * @throws BuildError as `build` does, but for what only running can show.
 */
export async function plan(request: BuildRequest, options: BuildOptions = {}): Promise<BuildPlan> {
  const context = runContext(options);
  try {
    return await withBackend(request, context, async ({ store, backend, others }) =>
      planWith(backend, { loaded: await loadRequest(store, request, context), others }, context),
    );
  } catch (thrown) {
    throw toBuildError(thrown);
  }
}

/**
 * Runs the build checks over what `build` would read. Runs no step and asks no registry: of base images it knows those in
 * the store.
 *
 * @throws BuildError `DOCKERFILE_*`, `CONTEXT_*`, `UNSUPPORTED`: what keeps the Dockerfile from being read at all.
 */
export async function check(request: BuildRequest, options: BuildOptions = {}): Promise<CheckResult> {
  return withLoaded(request, options, (loaded, store, context) => checkNative(store, loaded, context));
}

/**
 * Tells what a build of the request's target takes: arguments, secrets, ssh agents, caches.
 *
 * @throws BuildError as `check` does, and `STAGE_NOT_FOUND`.
 */
export async function outline(request: BuildRequest, options: BuildOptions = {}): Promise<Outline> {
  const { target, buildArgs = {} } = request;
  return withLoaded(request, options, async ({ dockerfile }) =>
    outlineDockerfile(dockerfile, { buildArgs, ...(target === undefined ? {} : { target }) }),
  );
}

/** Lists the stages that a request's Dockerfile has. @throws BuildError as `check` does. */
export async function targets(request: BuildRequest, options: BuildOptions = {}): Promise<readonly TargetInfo[]> {
  return withLoaded(request, options, async ({ dockerfile }) => targetsOf(dockerfile));
}

async function withLoaded<T>(
  request: BuildRequest,
  options: BuildOptions,
  work: (loaded: LoadedRequest, store: Store, context: RunContext) => Promise<T>,
): Promise<T> {
  const context = runContext(options);
  try {
    const store = await openImageStore(request.dataDir, context);
    return await work(await loadRequest(store, request, context), store, context);
  } catch (thrown) {
    throw toBuildError(thrown);
  }
}

/** What runs under these options. */
export function runContext({ signal, onEvent }: BuildOptions): RunContext {
  return {
    signal: signal ?? new AbortController().signal,
    emit: (event) => onEvent?.(event),
  };
}
