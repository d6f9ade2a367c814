import {
  BuildError,
  type BuildEvent,
  type Platform,
  parsePlatform,
  platformOfHost,
  type RunContext,
} from '../../core/index.ts';
import {
  type BaseRequest,
  baseKey,
  type Lowered,
  type LowerOptions,
  lower,
  type NamedContext,
  planStages,
  type StagePlan,
} from '../../graph/index.ts';
import type { LoadedRequest } from '../types.ts';
import type { BaseImage } from './resolve-base.ts';

/** More rounds than any chain of ONBUILD triggers needs. */
const MAX_ROUNDS = 20;

/** A request as a graph, with the images that it stands on. */
export interface LoweredRequest extends Lowered {
  readonly bases: readonly BaseImage[];
  readonly platform: Platform;
}

/**
 * Lowers a request: plans the stages, resolves the images that they name all at once, and again for those that ONBUILD
 * triggers add, then lowers.
 */
export async function lowerRequest(
  resolve: (request: BaseRequest) => Promise<BaseImage>,
  loaded: LoadedRequest,
  context: RunContext,
): Promise<LoweredRequest> {
  const options = lowerOptions(loaded);
  for (const warning of loaded.dockerfile.warnings) {
    const { message, rule: code, range } = warning;
    const { fileName, text } = loaded.dockerfile;
    context.emit({ kind: 'warning', time: Date.now(), code, message, location: { fileName, text, range } });
  }
  const bases = new Map<string, BaseImage>();
  const lookup = (request: BaseRequest): BaseImage | undefined => bases.get(baseKey(request));
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const plan = planStages(loaded.dockerfile, options, lookup);
    const missing = plan.images.filter((image) => lookup(image) === undefined);
    if (missing.length === 0) return lowerPlan(plan);
    const resolved = await Promise.all(missing.map(async (image) => [baseKey(image), await resolve(image)] as const));
    for (const [key, base] of resolved) bases.set(key, base);
  }
  throw new BuildError('DOCKERFILE_INVALID', 'The ONBUILD triggers of the base images never come to an end.');

  function lowerPlan(plan: StagePlan): LoweredRequest {
    const lowered = lower(loaded.dockerfile, plan, { options, lookup });
    for (const name of lowered.unusedBuildArgs) context.emit(unusedArgWarning(name));
    return { ...lowered, bases: [...bases.values()], platform: lowered.state.platform };
  }
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

function lowerOptions(loaded: LoadedRequest): LowerOptions {
  const { request } = loaded;
  const hostPlatform = platformOfHost(process.platform, process.arch);
  const epoch = request.sourceDateEpoch;
  return {
    target: request.target,
    platform: request.platform === undefined ? hostPlatform : parsePlatform(request.platform, hostPlatform),
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
const STAGE_SCHEME = 'target:';

function namedContexts(loaded: LoadedRequest): ReadonlyMap<string, NamedContext> {
  const named = Object.entries(loaded.request.buildContexts ?? {}).map(([name, value]): [string, NamedContext] => {
    if (loaded.directories.has(name)) return [name, { kind: 'local' }];
    if (value.startsWith(IMAGE_SCHEME)) return [name, { kind: 'image', reference: value.slice(IMAGE_SCHEME.length) }];
    if (value.startsWith(LAYOUT_SCHEME)) return [name, { kind: 'image', reference: value }];
    if (value.startsWith(STAGE_SCHEME)) return [name, { kind: 'stage', stage: value.slice(STAGE_SCHEME.length) }];
    throw new BuildError('CONTEXT_INVALID', `The context "${name}" cannot be read from ${value}.`, {
      hint: 'Give a directory, a git or http URL, docker-image://REFERENCE, oci-layout://PATH[:TAG] or target:STAGE.',
    });
  });
  return new Map(named);
}
