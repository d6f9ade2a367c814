import { BuildError, chainIdOf, type Digest, type RunContext } from '../../core/index.ts';
import {
  copyKeys,
  type EngineEnv,
  type OpResult,
  runCopy,
  runMkdir,
  runSquash,
  type TreeResult,
} from '../../engine/index.ts';
import type { Executor, runExec, Snapshots } from '../../engine/steps.ts';
import type { CacheKey, CopyOp, ExecOp, MkdirOp, SquashOp, Vertex } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { OpRunner } from '../../solver/index.ts';
import { execKey, keyOf } from './exec-key.ts';

/** What RUN needs; opened when the first RUN is met, since a build without one needs nothing of the host. */
export interface StepEngine {
  readonly executor: Executor;
  readonly snapshots: Snapshots;
  readonly runExec: typeof runExec;
}

export interface OpRunnerDeps {
  readonly env: EngineEnv;
  /** Layers of base images by manifest digest. */
  readonly baseLayers: ReadonlyMap<Digest, readonly LayerRef[]>;
  /** Local trees by the name of their `LocalOp`. */
  readonly localTree: (name: string) => Promise<TreeResult>;
  readonly openStepEngine: (context: RunContext) => Promise<StepEngine>;
  /** As of `OpRunner`. */
  readonly rightsOf: (vertex: Vertex) => string;
}

/** Evaluates ops with the embedded engine. */
export function createOpRunner(deps: OpRunnerDeps): OpRunner<OpResult> {
  return {
    rightsOf: deps.rightsOf,
    isCacheable: (vertex) => ['copy', 'mkdir', 'exec', 'squash'].includes(vertex.op.kind),
    keys: (vertex, inputs, context) => keysOf(deps, { vertex, inputs }, context),
    run: (vertex, inputs, context) => runOp(deps, { vertex, inputs }, context),
  };
}

interface Evaluation {
  readonly vertex: Vertex;
  readonly inputs: readonly OpResult[];
}

async function* keysOf(
  deps: OpRunnerDeps,
  { vertex, inputs }: Evaluation,
  context: RunContext,
): AsyncIterable<CacheKey> {
  const { op } = vertex;
  if (op.kind === 'exec') yield execKey(op, inputs);
  if (op.kind === 'mkdir') yield mkdirKey(op, inputs);
  if (op.kind === 'squash') yield squashKey(op, inputs);
  if (op.kind === 'copy') yield* copyKeys({ env: deps.env }, { op, inputs }, context);
}

function mkdirKey(op: MkdirOp, inputs: readonly OpResult[]): CacheKey {
  const base = chainIdOf(layersOf(inputs[op.base]!).map((layer) => layer.diffId)) ?? 'scratch';
  const parts = { base, path: op.path, user: op.user ?? '' };
  return { key: keyOf('mkdir', parts), inputs: parts };
}

/** What is kept and what is put together, in its order. */
function squashKey(op: SquashOp, inputs: readonly OpResult[]): CacheKey {
  const layers = chainIdOf(layersOf(inputs[op.base]!).map((layer) => layer.diffId)) ?? 'scratch';
  const parts = { layers, keep: String(op.keep) };
  return { key: keyOf('squash', parts), inputs: parts };
}

async function runOp(deps: OpRunnerDeps, { vertex, inputs }: Evaluation, context: RunContext): Promise<OpResult> {
  const { op } = vertex;
  switch (op.kind) {
    case 'scratch':
      return { kind: 'layers', layers: [] };
    case 'image':
      return { kind: 'layers', layers: deps.baseLayers.get(op.manifest) ?? [] };
    case 'merge':
      return { kind: 'layers', layers: inputs.flatMap(layersOf) };
    case 'squash': {
      const { keep, base } = op;
      const squashed = await runSquash({ env: deps.env }, { layers: layersOf(inputs[base]!), keep }, context);
      return { kind: 'layers', layers: squashed };
    }
    case 'local':
      return deps.localTree(op.name);
    case 'http':
      return (await import('../../engine/remote.ts')).fetchHttp({ env: deps.env }, { op, vertex: vertex.id }, context);
    case 'git':
      return (await import('../../engine/remote.ts')).fetchGit({ env: deps.env }, { op, vertex: vertex.id }, context);
    case 'copy':
    case 'mkdir':
    case 'exec': {
      const layer = await makeLayer(deps, { vertex, inputs, op }, context);
      const base = op.base === undefined ? [] : layersOf(inputs[op.base]!);
      return { kind: 'layers', layers: [...base, layer] };
    }
  }
}

async function makeLayer(
  deps: OpRunnerDeps,
  { vertex, inputs, op }: Evaluation & { readonly op: CopyOp | MkdirOp | ExecOp },
  context: RunContext,
): Promise<LayerRef> {
  const { env } = deps;
  if (op.kind === 'copy') return runCopy({ env }, { op, inputs }, context);
  if (op.kind === 'mkdir') return runMkdir({ env }, { op, inputs }, context);
  const { runExec, executor, snapshots } = await deps.openStepEngine(context);
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  const onOutput = (stream: 'stdout' | 'stderr', bytes: Uint8Array): void => {
    const text = decoders[stream].decode(bytes, { stream: true });
    if (text !== '') context.emit({ kind: 'log', time: Date.now(), vertex: vertex.id, stream, text });
  };
  return runExec({ env, executor, snapshots }, { op, inputs, vertex: vertex.id, onOutput }, context);
}

function layersOf(result: OpResult): readonly LayerRef[] {
  if (result.kind === 'layers') return result.layers;
  throw new BuildError('INTERNAL', 'A tree stands where layers are needed.');
}
