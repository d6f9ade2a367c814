import type { BuildEvent, Digest, RunContext } from '../../core/index.ts';
import { type BaseRequest, baseKey, type Graph, type ResolvedBase, type Vertex } from '../../graph/index.ts';
import type { LoadedRequest } from '../types.ts';
import { type LoweredRequest, lowerRequest } from './lower-request.ts';
import { forPlatform, platformsOf } from './request-platforms.ts';
import { squashTarget } from './squash-target.ts';

/** A request as one graph over all its platforms. */
export interface LoweredBuild<B extends ResolvedBase> {
  readonly graph: Graph;
  /** One for each platform, in the order of the request. */
  readonly images: ReadonlyArray<LoweredRequest<B>>;
}

/**
 * Lowers a request for each of its platforms, and joins the graphs: what is the same for several, such as a stage
 * `FROM --platform=$BUILDPLATFORM`, is there once. Each image that is named is resolved once.
 *
 * @throws BuildError as `lowerRequest`.
 */
export async function lowerPlatforms<B extends ResolvedBase>(
  resolve: (request: BaseRequest) => Promise<B>,
  loaded: LoadedRequest,
  context: RunContext,
): Promise<LoweredBuild<B>> {
  const platforms = platformsOf(loaded.request);
  const resolveOnce = shared(resolve);
  const told = tellingOnce(context);
  const lowered = await Promise.all(
    platforms.map((platform) => lowerRequest(resolveOnce, forPlatform(loaded, platform), told)),
  );
  const { squash = false } = loaded.request;
  const images = squash === false ? lowered : lowered.map((each) => squashTarget(each, squash));
  return { graph: joinGraphs(images.map(({ graph }) => graph)), images };
}

function shared<B extends ResolvedBase>(resolve: (request: BaseRequest) => Promise<B>): typeof resolve {
  const running = new Map<string, Promise<B>>();
  return (request) => {
    const key = baseKey(request);
    const known = running.get(key) ?? resolve(request);
    running.set(key, known);
    return known;
  };
}

/** What is wrong with the Dockerfile is so for every platform. */
function tellingOnce(context: RunContext): RunContext {
  const told = new Set<string>();
  const emit = (event: BuildEvent): void => {
    if (event.kind === 'warning') {
      const key = JSON.stringify([event.code, event.message, event.location]);
      if (told.has(key)) return;
      told.add(key);
    }
    context.emit(event);
  };
  return { ...context, emit };
}

/** Every vertex once, inputs first. With several graphs the names tell the platform, as the reference's do. */
function joinGraphs(graphs: readonly Graph[]): Graph {
  const [only, ...others] = graphs;
  if (only !== undefined && others.length === 0) return only;
  const vertices = new Map<Digest, Vertex>();
  for (const { vertices: own } of graphs) {
    for (const vertex of own) if (!vertices.has(vertex.id)) vertices.set(vertex.id, withPlatform(vertex));
  }
  return Object.freeze({ vertices: [...vertices.values()] });
}

/** `[build 1/2] RUN make` becomes `[linux/arm64 build 1/2] RUN make`. */
function withPlatform(vertex: Vertex): Vertex {
  const { name, platform } = vertex.info;
  if (platform === undefined || !name.startsWith('[')) return vertex;
  return { ...vertex, info: { ...vertex.info, name: `[${platform} ${name.slice(1)}` } };
}
