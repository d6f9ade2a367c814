import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isBuildError, type RunContext } from '../../core/index.ts';
import type { Vertex, VertexId } from '../../graph/index.ts';
import type { BuildRequest } from '../types.ts';
import { createBuildOutput } from './build-output.ts';
import type { CacheFacts } from './cache-mounts.ts';
import type { Isolation } from './isolation.ts';
import { removeLeftovers } from './leftover-containers.ts';
import type { Surroundings } from './plan-stages.ts';
import { EMPTY_DIRECTORY, OWN_CONTEXT, type RenderedFile, type RenderedStep, type Variables } from './render-stage.ts';
import { type Buildah, runBuildah } from './run-buildah.ts';
import { buildFailed } from './step-failure.ts';
import type { StepProgress } from './step-progress.ts';

export interface StageRun {
  readonly file: RenderedFile;
  readonly surroundings: Surroundings;
  readonly vertices: ReadonlyMap<VertexId, Vertex>;
  readonly request: BuildRequest;
  readonly isolation: Isolation;
  readonly uid: number;
  /** Temporary, and this call's alone. */
  readonly workDir: string;
  /** The build context of `OWN_CONTEXT`. */
  readonly ownContext: string;
  /** The cache mounts of the steps. */
  readonly caches: readonly CacheFacts[];
  /** Options for secrets and agents. */
  readonly inputOptions: readonly string[];
  /** Proxies of steps. */
  readonly proxies: Variables;
}

/**
 * Runs `buildah build` over a rendered stage and gives the id of the image. Output becomes events of its steps.
 *
 * @throws BuildError `STEP_FAILED`, `SOURCE_NOT_FOUND`, `USER_NOT_FOUND`, `BACKEND_FAILED`, `CANCELLED`; no container is left
 * behind then.
 */
export async function runStage(
  { buildah, progress }: { readonly buildah: Buildah; readonly progress: StepProgress },
  run: StageRun,
  context: RunContext,
): Promise<string> {
  const files = await writeFiles(run);
  const temporary = await openShortPath(files.tmp);
  const follower = followSteps(progress, context);
  const output = createBuildOutput(run.file.stages, follower.sink);
  try {
    const exit = await runBuildah(
      buildah,
      {
        args: buildArguments(run, files),
        env: { ...buildEnv(run), TMPDIR: temporary.path },
        wrapper: wrapperOf(run, buildah),
        onOutput: output.write,
      },
      context,
    );
    output.end();
    if (exit.exitCode === 0) {
      follower.finish();
      return (await readFile(files.imageId, 'utf8')).trim().replace(/^sha256:/, '');
    }
    const current = follower.current();
    const vertex = current === undefined ? undefined : run.vertices.get(current);
    const outputTail = current === undefined ? [] : progress.tailOf(current);
    throw buildFailed({ vertex, exit, outputTail });
  } catch (error) {
    const current = follower.current();
    if (current !== undefined && isBuildError(error)) progress.fail(current, error);
    await removeLeftovers(buildah, files.mounts, context);
    throw error;
  } finally {
    await temporary.close();
  }
}

/** buildah makes sockets in its temporary directory, whose paths must be short: a link leads there. */
async function openShortPath(target: string): Promise<{ readonly path: string; readonly close: () => Promise<void> }> {
  const path = join(tmpdir(), `zlb-${randomBytes(6).toString('hex')}`);
  await symlink(target, path);
  return { path, close: () => rm(path, { force: true }) };
}

interface BuildFiles {
  readonly dockerfile: string;
  readonly tmp: string;
  readonly mounts: string;
  readonly imageId: string;
}

async function writeFiles({ workDir, caches, file }: StageRun): Promise<BuildFiles> {
  const files = {
    dockerfile: join(workDir, 'Dockerfile'),
    tmp: join(workDir, 'tmp'),
    mounts: join(workDir, 'mounts.conf'),
    imageId: join(workDir, 'iid'),
  };
  await writeFile(files.dockerfile, file.text, { mode: 0o600 });
  await mkdir(files.tmp);
  // buildah looks for caches by their ids in a directory that it calls by either name, by version and user.
  const cacheDirectory = join(workDir, 'caches');
  await mkdir(cacheDirectory);
  for (const { id, path } of caches) await symlink(path, join(cacheDirectory, id)).catch(ignoreExisting);
  for (const name of ['buildah-cache', `buildah-cache-${process.getuid?.() ?? 0}`, 'buildah-cache-0']) {
    await symlink(cacheDirectory, join(files.tmp, name)).catch(ignoreExisting);
  }
  // A file of our own makes the containers of this build known; it says what the host's says.
  for (const path of ['/etc/containers/mounts.conf', '/usr/share/containers/mounts.conf']) {
    const isCopied = await copyFile(path, files.mounts).then(
      () => true,
      () => false,
    );
    if (isCopied) return files;
  }
  await writeFile(files.mounts, '');
  return files;
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

function buildArguments(run: StageRun, files: BuildFiles): readonly string[] {
  const { request, isolation, surroundings, ownContext } = run;
  const { addHosts = [], ulimits = [], shmSizeBytes } = request;
  return [
    'build',
    ...['--layers', '--force-rm', '--pull=never', '--jobs=1', '--format=oci', '--identity-label=false'],
    ...['--skip-unused-stages=false', '--http-proxy=false'],
    `--isolation=${isolation}`,
    `--network=${surroundings.network === 'none' && isolation !== 'chroot' ? 'none' : 'host'}`,
    ...(surroundings.insecure ? INSECURE : []),
    `--build-context=${OWN_CONTEXT}=${ownContext}`,
    `--default-mounts-file=${files.mounts}`,
    `--iidfile=${files.imageId}`,
    ...addHosts.map(({ name, address }) => `--add-host=${name}:${address}`),
    ...ulimits.map(({ name, soft, hard }) => `--ulimit=${name}=${soft}:${hard}`),
    ...(shmSizeBytes === undefined ? [] : [`--shm-size=${shmSizeBytes}b`]),
    ...run.inputOptions,
    // Without a value: buildah takes it from its environment, where no other user can read it.
    ...[...run.proxies.keys(), ...run.file.buildArgs.keys()].map((name) => `--build-arg=${name}`),
    `--file=${files.dockerfile}`,
    join(ownContext, EMPTY_DIRECTORY),
  ];
}

/** What `RUN --security=insecure` is allowed. */
const INSECURE = ['--cap-add=all', '--security-opt=seccomp=unconfined', '--security-opt=label=disable'];

function buildEnv({ proxies, file }: StageRun): Readonly<Record<string, string | undefined>> {
  return {
    ...Object.fromEntries([...proxies, ...file.buildArgs]),
    SOURCE_DATE_EPOCH: undefined,
    BUILDAH_LAYERS: undefined,
    BUILDAH_FORMAT: undefined,
    BUILDAH_ISOLATION: undefined,
  };
}

/** Under the isolation chroot buildah knows no network but the one it has: without one, it gets none itself. */
function wrapperOf({ surroundings, isolation, uid }: StageRun, buildah: Buildah): readonly string[] {
  if (surroundings.network !== 'none' || isolation !== 'chroot') return [];
  const script = 'ip link set lo up 2>/dev/null; exec "$@"';
  const inNamespace = ['unshare', '-n', '--', 'sh', '-c', script, 'sh'];
  return uid === 0 ? inNamespace : [buildah.path, ...buildah.globalArgs, 'unshare', ...inNamespace];
}

interface StepFollower {
  readonly sink: Parameters<typeof createBuildOutput>[1];
  /** The vertex that is being worked on. */
  current(): VertexId | undefined;
  /** The build succeeded: the last step has ended. */
  finish(): void;
}

function followSteps(progress: StepProgress, { emit }: RunContext): StepFollower {
  let current: VertexId | undefined;
  let isCached = false;
  const complete = (): void => {
    if (current === undefined) return;
    const reason = isCached ? 'buildah had its result.' : "buildah's cache had no result of it.";
    progress.complete(current, { kind: isCached ? 'cached' : 'run', reason });
  };
  const started = ({ vertex, role }: RenderedStep): void => {
    if (vertex !== current) complete();
    if (vertex === undefined || role === 'source') {
      current = undefined;
      return;
    }
    current = vertex;
    isCached = false;
    progress.start(vertex);
  };
  const sink: StepFollower['sink'] = {
    started,
    cached: ({ role }) => {
      if (role === 'work') isCached = true;
    },
    log: ({ vertex }, stream, text) => {
      if (vertex !== undefined) progress.log(vertex, stream, text);
    },
    warning: (message) => {
      if (/does not match the expected platform/.test(message)) return;
      emit({ kind: 'warning', time: Date.now(), code: 'BUILDAH', message });
    },
  };
  return { sink, current: () => current, finish: complete };
}
