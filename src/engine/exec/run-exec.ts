import { BuildError, type BytePath, type RunContext } from '../../core/index.ts';
import type { ExecOp } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { ActiveSnapshot, Snapshots } from '../snapshots/types.ts';
import type { EngineEnv, OpResult } from '../types.ts';
import { isWorkingKind, type WorkingKind } from './namespace.ts';
import { createOutputTail } from './output-tail.ts';
import { isolationMissing } from './probe.ts';
import { resolveProcessUser } from './resolve-user.ts';
import { stepFailed } from './step-failure.ts';
import { systemFiles } from './step-files.ts';
import { type OpenMounts, openMounts } from './step-mounts.ts';
import type { Executor, ProcessUser, StepRequest, StepResult } from './types.ts';

/** What running a step needs. */
export interface ExecDeps {
  readonly env: EngineEnv;
  readonly executor: Executor;
  readonly snapshots: Snapshots;
}

/** A `RUN` with what it stands on. */
export interface ExecInput {
  readonly op: ExecOp;
  readonly inputs: readonly OpResult[];
  /** For errors. */
  readonly vertex: string;
  readonly onOutput: StepRequest['onOutput'];
}

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const DEFAULT_SHM_BYTES = 64 * 2 ** 20;

/**
 * Runs a command on its base and makes a layer of what it changed. A command that changes nothing gives the empty layer.
 *
 * @throws BuildError `STEP_FAILED` with exit code and the end of the output; `HOST_LACKS` where steps cannot be isolated, with
 *   the reason for each way; `USER_NOT_FOUND`, `SOURCE_NOT_FOUND`, `SECRET_MISSING`, `SSH_MISSING`, `CANCELLED`, …
 */
export async function runExec(deps: ExecDeps, input: ExecInput, context: RunContext): Promise<LayerRef> {
  const { env, executor, snapshots } = deps;
  const { kind } = executor.probe;
  if (!isWorkingKind(kind)) throw isolationMissing(executor.probe);
  const parents = { layers: baseLayers(input), lease: env.lease };
  const viewing = env.layers.view(parents.layers, context);
  viewing.catch(() => undefined);
  const active = await snapshots.prepare(parents, context);
  let madePaths: readonly BytePath[];
  try {
    const base = await viewing;
    const user = resolveProcessUser(input.op.user, base);
    const place = { base, active, user, kind };
    ({ madePaths } = await runCommand(deps, { ...input, ...place, fromScratch: parents.layers.length === 0 }, context));
  } catch (error) {
    await snapshots.discard(active);
    throw error;
  }
  return snapshots.commit({ active, parents, clampMtime: env.clampMtime, madePaths }, context);
}

function baseLayers({ op, inputs }: ExecInput): readonly LayerRef[] {
  const base = inputs[op.base];
  if (base?.kind === 'layers') return base.layers;
  throw new BuildError('INTERNAL', 'The base of a step is no stack of layers.');
}

interface Command extends ExecInput {
  readonly base: Awaited<ReturnType<EngineEnv['layers']['view']>>;
  readonly active: ActiveSnapshot;
  readonly user: ProcessUser;
  readonly kind: WorkingKind;
  readonly fromScratch: boolean;
}

async function runCommand(deps: ExecDeps, command: Command, context: RunContext): Promise<StepResult> {
  const { op, inputs, base, active } = command;
  const mounts = await openMounts(
    { env: deps.env, snapshots: deps.snapshots, kind: command.kind },
    { op, inputs, base, directory: active.dir },
    context,
  );
  const tail = createOutputTail();
  try {
    const request = toRequest(command, mounts);
    const onOutput: StepRequest['onOutput'] = (stream, bytes) => {
      tail.add(bytes);
      command.onOutput(stream, bytes);
    };
    const exit = await deps.executor.run({ ...request, onOutput }, context);
    if (exit.exitCode !== 0) throw stepFailed({ ...command, exit, outputTail: tail.lines() });
    return exit;
  } finally {
    await mounts.close();
  }
}

function toRequest(command: Command, mounts: OpenMounts): Omit<StepRequest, 'onOutput'> {
  const { op, active, user, base } = command;
  return {
    lowerDirs: active.lowerDirs,
    upperDir: active.upperDir,
    workDir: active.workDir,
    scratchDir: active.dir,
    args: op.args,
    env: environmentOf(op, { user, added: mounts.env }),
    cwd: op.cwd,
    user: mounts.groups.length === 0 ? user : { ...user, groups: [...new Set([...user.groups, ...mounts.groups])] },
    mounts: mounts.mounts,
    network: op.network,
    security: op.security,
    hostname: op.hostname,
    files: [...systemFiles(op, base), ...mounts.files],
    shmSizeBytes: op.shmSizeBytes ?? DEFAULT_SHM_BYTES,
    ulimits: op.ulimits,
  };
}

/** The command's variables: what the image and Dockerfile say wins over proxies and defaults, and secrets over everything. */
function environmentOf(
  op: ExecOp,
  { user, added }: { readonly user: ProcessUser; readonly added: readonly string[] },
): readonly string[] {
  const own = [...op.proxyEnv, ...op.env];
  const has = (name: string): boolean => own.some((assignment) => assignment.startsWith(`${name}=`));
  const socket = added.find((assignment) => assignment.startsWith('SSH_AUTH_SOCK='));
  return [
    ...(has('PATH') ? [] : [DEFAULT_PATH]),
    ...(has('HOME') ? [] : [`HOME=${user.home}`]),
    `HOSTNAME=${op.hostname}`,
    ...(socket === undefined ? [] : [socket]),
    ...own,
    ...added.filter((assignment) => !assignment.startsWith('SSH_AUTH_SOCK=')),
  ];
}
