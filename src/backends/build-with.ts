import { BuildError, type RunContext } from '../core/index.ts';
import type { BuildBackend, BuildPlan, BuildRequest, BuildResult, LoadedRequest } from './types.ts';

/**
 * Builds a loaded request with one backend, takes the image to every output, and pushes its names where that is asked for.
 * What the backend cannot do is refused before anything runs. Emits neither `build-started` nor an end: those are the
 * caller's.
 *
 * @throws BuildError `UNSUPPORTED`, naming everything that the backend cannot do; `BACKEND_UNAVAILABLE`; what building,
 * exporting and pushing throw.
 */
export async function buildWith(
  backend: BuildBackend,
  loaded: LoadedRequest,
  context: RunContext,
): Promise<BuildResult> {
  const { request } = loaded;
  checkPush(request);
  const built = await backend.buildImage(loaded, context);
  const image = built.digest;
  for (const output of request.outputs ?? []) {
    if (output.kind === 'image' || output.kind === 'cacheonly') continue;
    await backend.exportImage({ image, references: built.references, output }, context);
  }
  if (isPushed(request)) await pushNames(backend, { request, image, references: built.references }, context);
  return built;
}

/** What `buildWith` would do. @throws BuildError as `buildWith` does. */
export async function planWith(backend: BuildBackend, loaded: LoadedRequest, context: RunContext): Promise<BuildPlan> {
  return backend.planImage(loaded, context);
}

/** @throws BuildError `USAGE` for a push of an image without a name. */
export function checkPush(request: BuildRequest): void {
  if (!isPushed(request) || (request.tags ?? []).length > 0) return;
  throw new BuildError('USAGE', 'There is nothing to push: the image has no name.', { hint: 'Name it with -t NAME.' });
}

function isPushed({ push, outputs = [] }: BuildRequest): boolean {
  return push === true || outputs.some((output) => output.kind === 'image' && output.push);
}

interface Pushes {
  readonly request: BuildRequest;
  readonly image: string;
  readonly references: readonly string[];
}

async function pushNames(backend: BuildBackend, pushes: Pushes, context: RunContext): Promise<void> {
  const { request, image, references } = pushes;
  const output = request.outputs?.find(({ kind }) => kind === 'image');
  const { compression, compressionLevel } = output?.kind === 'image' ? output : {};
  for (const destination of references) {
    const { credentials } = request;
    await backend.pushImage(
      {
        image,
        destination,
        ...(credentials === undefined ? {} : { credentials }),
        ...(compression === undefined ? {} : { compression }),
        ...(compressionLevel === undefined ? {} : { compressionLevel }),
      },
      context,
    );
  }
}
