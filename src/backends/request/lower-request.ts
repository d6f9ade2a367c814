import {
  BuildError,
  type BuildEvent,
  type Platform,
  platformOfHost,
  type RunContext,
  toBuildError,
} from '../../core/index.ts';
import type { LintResult } from '../../dockerfile/index.ts';
import {
  type BaseRequest,
  baseKey,
  type Lowered,
  type LowerOptions,
  lower,
  type NamedContext,
  planStages,
  type ResolvedBase,
  type StagePlan,
} from '../../graph/index.ts';
import type { CheckResult, LoadedRequest } from '../types.ts';
import { checkDockerfile, type KnownImage, refuseViolations, warnOfFindings } from './check-dockerfile.ts';
import { platformsOf } from './request-platforms.ts';
import { withShortName } from './short-names.ts';

/** More rounds than any chain of ONBUILD triggers needs. */
const MAX_ROUNDS = 20;

/** A request as a graph, with the images that it stands on. */
export interface LoweredRequest<B extends ResolvedBase> extends Lowered {
  readonly bases: readonly B[];
  readonly platform: Platform;
}

/**
 * Lowers a request: plans the stages, resolves the images that they name all at once, and again for those that ONBUILD
 * triggers add, runs the build checks, then lowers.
 *
 * @throws BuildError `CHECK_FAILED` where the file makes findings errors; what planning, resolving and lowering throw.
 */
export async function lowerRequest<B extends ResolvedBase>(
  resolve: (request: BaseRequest) => Promise<B>,
  loaded: LoadedRequest,
  context: RunContext,
): Promise<LoweredRequest<B>> {
  const options = lowerOptions(loaded);
  const bases = new Map<string, B>();
  const lookup = (request: BaseRequest): B | undefined => bases.get(baseKey(request));
  const images = new Map<string, KnownImage>();
  const check = (): LintResult => checkDockerfile(loaded, { ...options, images });
  const plan = await resolveStages().catch((error: unknown) => {
    // What is wrong with an image's name is often what a check has found.
    warnOfFindings(check(), context);
    throw error;
  });
  const checked = check();
  warnOfFindings(checked, context);
  refuseViolations(checked);
  return lowerPlan(plan);

  async function resolveStages(): Promise<StagePlan> {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const stages = planStages(loaded.dockerfile, options, lookup);
      const missing = stages.images.filter((image) => lookup(image) === undefined);
      if (missing.length === 0) return stages;
      const resolved = await Promise.all(
        missing.map(async (image) => ({ image, base: await resolveNamed(image).catch(explainBase(image)) })),
      );
      for (const { image, base } of resolved) {
        bases.set(baseKey(image), base);
        images.set(image.reference, { config: base.config, wanted: image.platform });
      }
    }
    throw new BuildError('DOCKERFILE_INVALID', 'The ONBUILD triggers of the base images never come to an end.');
  }

  function resolveNamed(image: BaseRequest): Promise<B> {
    return withShortName(image.reference, (reference) => resolve({ ...image, reference }));
  }

  function lowerPlan(plan: StagePlan): LoweredRequest<B> {
    const lowered = lower(loaded.dockerfile, plan, { options, lookup });
    for (const name of lowered.unusedBuildArgs) context.emit(unusedArgWarning(name));
    return { ...lowered, bases: [...bases.values()], platform: lowered.state.platform };
  }
}

/** A base that cannot be had is told of at the place that names it, and by the stage that may have been meant. */
function explainBase({ reference, location, nearestStage }: BaseRequest): (error: unknown) => never {
  return (thrown) => {
    const error = toBuildError(thrown);
    if (location === undefined || error.kind === 'cancelled') throw error;
    const { code, facts, cause } = error;
    const hint = nearestStage === undefined ? error.hint : `The nearest stage is "${nearestStage}".`;
    const message =
      nearestStage === undefined
        ? error.message
        : `There is no stage "${reference}", and no image of that name: ${error.message}`;
    throw new BuildError(code, message, { facts, hint, location: error.location ?? location, cause });
  };
}

function unusedArgWarning(name: string): BuildEvent {
  return {
    kind: 'warning',
    time: Date.now(),
    code: 'BUILD_ARG_UNUSED',
    message: `The build argument "${name}" is given, but no ARG declares it.`,
    hint: `Declare it in the stage that uses it: ARG ${name}.`,
  };
}

/** The options of a request as lowering takes them. */
export function lowerOptions(loaded: LoadedRequest): LowerOptions {
  const { request } = loaded;
  const hostPlatform = platformOfHost(process.platform, process.arch);
  const epoch = request.sourceDateEpoch;
  return {
    target: request.target,
    // Of several platforms each has its own lowering; what is asked of the whole is told of the first.
    platform: platformsOf(request)[0]!,
    hostPlatform,
    buildArgs: { ...(epoch === undefined ? {} : { SOURCE_DATE_EPOCH: String(epoch) }), ...request.buildArgs },
    labels: request.labels ?? {},
    contexts: namedContexts(loaded),
    network: request.network ?? 'default',
    extraHosts: request.addHosts ?? [],
    shmSizeBytes: request.shmSizeBytes,
    ulimits: request.ulimits ?? [],
    allow: request.allow ?? [],
    noCache: request.noCache ?? false,
    noCacheFilter: request.noCacheFilter ?? [],
    project: loaded.project,
    strict: request.strict ?? false,
  };
}

const IMAGE_SCHEME = 'docker-image://';
const LAYOUT_SCHEME = 'oci-layout://';
/** `input:` is how bake files call the stages of their own Dockerfile. */
const STAGE_SCHEME = /^(?:target|input):/;

function namedContexts(loaded: LoadedRequest): ReadonlyMap<string, NamedContext> {
  const named = Object.entries(loaded.request.buildContexts ?? {}).map(([name, value]): [string, NamedContext] => {
    if (loaded.directories.has(name)) return [name, { kind: 'local' }];
    if (value.startsWith(IMAGE_SCHEME)) return [name, { kind: 'image', reference: value.slice(IMAGE_SCHEME.length) }];
    if (value.startsWith(LAYOUT_SCHEME)) return [name, { kind: 'image', reference: value }];
    if (STAGE_SCHEME.test(value)) return [name, { kind: 'stage', stage: value.replace(STAGE_SCHEME, '') }];
    throw new BuildError('CONTEXT_INVALID', `The context "${name}" cannot be read from ${value}.`, {
      hint: 'Give a directory, a git or http URL, docker-image://REFERENCE, oci-layout://PATH[:TAG] or target:STAGE.',
    });
  });
  return new Map(named);
}

/**
 * The build checks over a request, with what `resolveLocal` knows of the images that it names, and what a build would
 * fail with before its first step.
 *
 * @throws BuildError `DOCKERFILE_INVALID` for options of the checks themselves.
 */
export async function checkRequest(
  resolveLocal: (request: BaseRequest) => Promise<ResolvedBase>,
  loaded: LoadedRequest,
): Promise<CheckResult> {
  const options = lowerOptions(loaded);
  const images = new Map<string, KnownImage>();
  const bases = new Map<string, ResolvedBase>();
  const lookup = (request: BaseRequest): ResolvedBase | undefined => bases.get(baseKey(request));
  let error: BuildError | undefined;
  try {
    for (const image of planStages(loaded.dockerfile, options, lookup).images) {
      const base = await resolveLocal(image).catch(ignoreMissing);
      if (base === undefined) continue;
      bases.set(baseKey(image), base);
      images.set(image.reference, { config: base.config, wanted: image.platform });
    }
    const plan = planStages(loaded.dockerfile, options, lookup);
    if (plan.images.every((image) => bases.has(baseKey(image)))) lower(loaded.dockerfile, plan, { options, lookup });
  } catch (thrown) {
    error = toBuildError(thrown);
  }
  return { ...checkDockerfile(loaded, { ...options, images }), ...(error === undefined ? {} : { error }) };
}

/** What is not here is no error of the Dockerfile. */
function ignoreMissing(error: unknown): undefined {
  if (toBuildError(error).kind === 'not-found') return undefined;
  throw error;
}
