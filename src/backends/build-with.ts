import { BuildError, type RunContext, throwIfCancelled } from '../core/index.ts';
import type { Feature } from './needs/features.ts';
import type { Capable } from './needs/refuse-unsupported.ts';
import { rootAnnotations } from './request/annotations.ts';
import { checkConsistency, compressionOf } from './request/check-consistency.ts';
import type { BuildBackend, BuildPlan, BuildRequest, BuildResult, ImageReceipt, LoadedRequest } from './types.ts';
import { isWritten, requireEngines } from './write-output.ts';

/** The backends that an error may name as able to do what the chosen one cannot. */
export type Others = () => Promise<readonly Capable[]>;

/** A loaded request, and who else could do it. */
export interface BuildInput {
  readonly loaded: LoadedRequest;
  readonly others?: Others;
}

const NO_OTHERS: Others = async () => [];

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
  { loaded, others = NO_OTHERS }: BuildInput,
  context: RunContext,
): Promise<BuildResult> {
  const { request } = loaded;
  checkPush(request);
  checkConsistency(request);
  await requireAble(backend, { loaded, others, purpose: 'build' }, context);
  const descriptorAnnotations = rootAnnotations(request);
  const isAnnotated = Object.keys(descriptorAnnotations).length > 0;
  const made = await backend.buildImage(loaded, context);
  if (request.preset !== undefined) {
    (await import('./request/presets.ts')).warnOfLimits(request.preset, made, context);
  }
  const built = isAnnotated ? { ...made, descriptorAnnotations } : made;
  const { digest: image, references } = built;
  for (const output of request.outputs ?? []) {
    if (!isWritten(output)) continue;
    await backend.exportImage({ image, references, output, descriptorAnnotations }, context);
  }
  if (!isPushed(request)) return built;
  return { ...built, pushed: await pushNames(backend, { request, image, references }, context) };
}

/** What `buildWith` would do. @throws BuildError as `buildWith` does. */
export async function planWith(
  backend: BuildBackend,
  { loaded, others = NO_OTHERS }: BuildInput,
  context: RunContext,
): Promise<BuildPlan> {
  await requireAble(backend, { loaded, others, purpose: 'plan' }, context);
  return backend.planImage(loaded, context);
}

/** A request, and what is to be done with it. */
export interface AbleInput extends Required<BuildInput> {
  readonly purpose: 'build' | 'plan';
}

/**
 * Refuses a request that the backend cannot do. What one that drives another program can do is known once it was asked whether
 * it can work at all.
 *
 * @throws BuildError `UNSUPPORTED`, `BACKEND_UNAVAILABLE`.
 */
export async function requireAble(backend: BuildBackend, input: AbleInput, context: RunContext): Promise<void> {
  if (input.purpose === 'build') await requireEngines(input.loaded.request, context);
  if (backend.name !== 'native') {
    const found = await backend.isAvailable(context);
    throwIfCancelled(context.signal);
    if (!found.available) throw unavailable(backend, found.reasons);
  }
  const { capabilities } = backend;
  const lacking = (Object.keys(capabilities) as Feature[]).filter((name) => capabilities[name] !== true);
  if (!lacking.some((feature) => mayAsk(input.loaded.request, feature))) return;
  const [{ needsOf }, { refuseUnsupported }] = await Promise.all([
    import('./needs/needs.ts'),
    import('./needs/refuse-unsupported.ts'),
  ]);
  await refuseUnsupported(backend, needsOf(input.loaded, input.purpose), input.others);
}

/** Lets almost every build go on without computing its needs: native lacks one compression at most. */
function mayAsk({ outputs = [] }: BuildRequest, feature: Feature): boolean {
  if (feature !== 'compression-zstd') return true;
  return outputs.some((output) => 'compression' in output && output.compression === 'zstd');
}

function unavailable({ name }: BuildBackend, reasons: readonly string[]): BuildError {
  return new BuildError('BACKEND_UNAVAILABLE', `The backend ${name} cannot work here: ${reasons.join('; ')}.`, {
    hint: 'See `zlayer backends` for what is there.',
  });
}

/** @throws BuildError `USAGE` for a push of an image without a name, and for one by digest to a name with a tag. */
export function checkPush(request: BuildRequest): void {
  if (!isPushed(request)) return;
  const { tags = [] } = request;
  if (tags.length === 0) {
    throw new BuildError('USAGE', 'There is nothing to push: the image has no name.', {
      hint: 'Name it with -t NAME.',
    });
  }
  const tagged = isPushedByDigest(request) ? tags.find((name) => /[:@][^/]*$/.test(name)) : undefined;
  if (tagged === undefined) return;
  throw new BuildError('USAGE', `The image is to be pushed by its digest, and the name ${tagged} has a tag.`, {
    hint: 'Name the repository alone, or leave out push-by-digest.',
  });
}

function isPushedByDigest({ outputs = [] }: BuildRequest): boolean {
  return outputs.some((output) => output.kind === 'image' && output.pushByDigest === true);
}

function isPushed({ push, outputs = [] }: BuildRequest): boolean {
  return push === true || outputs.some((output) => output.kind === 'image' && output.push);
}

interface Pushes {
  readonly request: BuildRequest;
  readonly image: string;
  readonly references: readonly string[];
}

async function pushNames(
  backend: BuildBackend,
  { request, image, references }: Pushes,
  context: RunContext,
): Promise<readonly ImageReceipt[]> {
  const output = request.outputs?.find(({ kind }) => kind === 'image');
  const compression = output === undefined ? {} : compressionOf(output);
  const { credentials } = request;
  const signIns = credentials === undefined ? {} : { credentials };
  const byDigest = isPushedByDigest(request) ? { byDigest: true } : {};
  const pushed: ImageReceipt[] = [];
  for (const destination of references) {
    pushed.push(await backend.pushImage({ image, destination, ...byDigest, ...signIns, ...compression }, context));
  }
  return pushed;
}
