import { BuildError, formatPlatform, parsePlatform, platformOfHost, type RunContext } from '../../core/index.ts';
import type { OpResult } from '../../engine/index.ts';
import type { Graph, Vertex } from '../../graph/index.ts';
import type { Outcomes } from '../../solver/index.ts';
import type { Store } from '../../store/index.ts';

interface EmulationDeps {
  readonly store: Store;
  /** What the cache has; asked only where a step could not run. */
  readonly plan: (context: RunContext) => Promise<Outcomes<OpResult>>;
}

/**
 * Refuses, before the first step, a RUN for an architecture whose programs cannot run here. Steps that the cache has are no
 * matter.
 *
 * @throws BuildError `HOST_LACKS` at the RUN, with how to register an emulator.
 */
export async function requireEmulation(deps: EmulationDeps, graph: Graph, context: RunContext): Promise<void> {
  const host = platformOfHost(process.platform, process.arch);
  const steps = new Map<string, Vertex[]>();
  for (const vertex of graph.vertices) {
    if (vertex.op.kind !== 'exec') continue;
    const { architecture } = parsePlatform(vertex.op.platform, host);
    if (architecture !== host.architecture) steps.set(architecture, [...(steps.get(architecture) ?? []), vertex]);
  }
  if (steps.size === 0) return;
  const { findEmulation } = await import('../../engine/steps.ts');
  let outcomes: Outcomes<OpResult> | undefined;
  for (const [architecture, vertices] of steps) {
    const failure = await findEmulation((prefix) => deps.store.makeTempDir(prefix), architecture);
    if (failure === undefined) continue;
    outcomes ??= await deps.plan({ ...context, emit: () => undefined });
    const first = vertices.find((vertex) => outcomes?.get(vertex.id)?.verdict.kind !== 'cached');
    if (first === undefined || first.op.kind !== 'exec') continue;
    const what = `RUN for ${first.op.platform} cannot be executed on this host, which is ${formatPlatform(host)}`;
    throw new BuildError('HOST_LACKS', `${what}: ${failure.reason}.`, {
      hint: failure.hint,
      location: first.info.location,
    });
  }
}
