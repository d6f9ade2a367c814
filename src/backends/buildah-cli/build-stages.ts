import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunContext } from '../../core/index.ts';
import type { Graph, Vertex, VertexId } from '../../graph/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import type { BuildRequest } from '../types.ts';
import { openCaches } from './cache-mounts.ts';
import type { Deliverer } from './deliver-files.ts';
import type { Isolation } from './isolation.ts';
import type { OwnContext } from './own-context.ts';
import type { StagePlan } from './plan-stages.ts';
import { type BuiltStage, renderStage, toVariables, type Variables } from './render-stage.ts';
import type { Buildah } from './run-buildah.ts';
import { runStage } from './run-stage.ts';
import { scheduleStages } from './schedule-stages.ts';
import type { StepProgress } from './step-progress.ts';

export interface StageDeps {
  readonly buildah: Buildah;
  readonly isolation: Isolation;
  readonly store: Store;
  readonly lease: Lease;
  readonly uid: number;
  readonly workDir: string;
  readonly progress: StepProgress;
  readonly deliverer: Deliverer;
}

export interface StagesInput {
  readonly graph: Graph;
  readonly plans: readonly StagePlan[];
  readonly request: BuildRequest;
  readonly own: OwnContext;
  /** Options of `buildah build` for secrets and agents. */
  readonly inputOptions: readonly string[];
  /** How many stages are built at once. */
  readonly parallelism: number;
  /** Different in every build. */
  readonly nonce: string;
}

/** Builds all stages with buildah, one call for each. `built` has the base images, and gets what is made. */
export async function buildStages(
  deps: StageDeps,
  { input, built }: { readonly input: StagesInput; readonly built: Map<VertexId, BuiltStage> },
  context: RunContext,
): Promise<void> {
  const vertices = new Map(input.graph.vertices.map((vertex) => [vertex.id, vertex]));
  const proxies = proxiesOf(input.graph.vertices);
  const run = async (plan: StagePlan, inner: RunContext): Promise<void> => {
    const stage = await buildStage(deps, { ...input, plan, built, vertices, proxies }, inner);
    built.set(plan.end, stage);
  };
  await scheduleStages(run, { plans: input.plans, limit: input.parallelism }, context);
}

interface StageJob extends StagesInput {
  readonly plan: StagePlan;
  readonly built: ReadonlyMap<VertexId, BuiltStage>;
  readonly vertices: ReadonlyMap<VertexId, Vertex>;
  readonly proxies: Variables;
}

async function buildStage(deps: StageDeps, job: StageJob, context: RunContext): Promise<BuiltStage> {
  const { deliverer, progress, buildah } = deps;
  const { plan, built, vertices, own } = job;
  await deliverer.deliverLate(plan.steps);
  const caches = await openCaches(
    deps,
    {
      steps: plan.steps,
      seedOf: async ({ inputs }, mount) =>
        mount.input === undefined ? undefined : deliverer.deliverDirectory(inputs[mount.input]!, mount.source),
    },
    context,
  );
  try {
    const file = renderStage({
      plan,
      vertices,
      built: (id) => built.get(id)!,
      deliveries: deliverer.deliveries,
      scripts: own.scripts,
      caches: caches.byMount,
      nonce: job.nonce,
    });
    const workDir = await mkdtemp(join(deps.workDir, 'stage-'));
    const { surroundings } = plan;
    const run = {
      ...job,
      ...deps,
      file,
      surroundings,
      workDir,
      ownContext: own.directory,
      caches: [...caches.byMount.values()],
    };
    return { id: await runStage({ buildah, progress }, run, context), env: file.env };
  } finally {
    await caches.release();
  }
}

function proxiesOf(vertices: readonly Vertex[]): Variables {
  return toVariables(vertices.flatMap(({ op }) => (op.kind === 'exec' ? op.proxyEnv : [])));
}
