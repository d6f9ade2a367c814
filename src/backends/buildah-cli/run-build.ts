import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuildError, isBuildError, type RunContext } from '../../core/index.ts';
import type { Graph, VertexId } from '../../graph/index.ts';
import type { BuildRequest } from '../types.ts';
import { createBuildOutput } from './build-output.ts';
import type { Isolation } from './isolation.ts';
import { removeLeftovers } from './leftover-containers.ts';
import { EMPTY_DIRECTORY, OWN_CONTEXT, type RenderedBuild, type RenderedStep } from './render-build.ts';
import { type Buildah, runBuildah } from './run-buildah.ts';
import { buildFailed } from './step-failure.ts';
import type { StepProgress } from './step-progress.ts';

export interface BuildRun {
  readonly rendered: RenderedBuild;
  readonly graph: Graph;
  readonly request: BuildRequest;
  readonly isolation: Isolation;
  readonly uid: number;
  /** Temporary, and this build's alone. `own` in it is the build context of `OWN_CONTEXT`. */
  readonly workDir: string;
  /** Holds the directories of cache mounts. */
  readonly cacheDirectory: string;
  /** Options for secrets and agents. */
  readonly inputOptions: readonly string[];
  /** `NAME=value` of proxies. */
  readonly proxies: readonly string[];
}

/**
 * Runs `buildah build` over a rendered Dockerfile and gives the id of the image. Output becomes events of its steps.
 *
 * @throws BuildError `STEP_FAILED`, `SOURCE_NOT_FOUND`, `USER_NOT_FOUND`, `BACKEND_FAILED`, `CANCELLED`; no container is left
 * behind then.
 */
export async function runBuild(
  { buildah, progress }: { readonly buildah: Buildah; readonly progress: StepProgress },
  run: BuildRun,
  context: RunContext,
): Promise<string> {
  const { workDir, rendered } = run;
  const files = await writeFiles(run);
  const temporary = await openShortPath(files.tmp);
  const follower = followSteps(progress, context);
  const output = createBuildOutput(rendered.stages, follower.sink);
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
      return (await readFile(join(workDir, 'iid'), 'utf8')).trim().replace(/^sha256:/, '');
    }
    const current = follower.current();
    const vertex = run.graph.vertices.find(({ id }) => id === current);
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
}

async function writeFiles({ workDir, cacheDirectory, rendered }: BuildRun): Promise<BuildFiles> {
  const files = {
    dockerfile: join(workDir, 'Dockerfile'),
    tmp: join(workDir, 'tmp'),
    mounts: join(workDir, 'mounts.conf'),
  };
  await writeFile(files.dockerfile, rendered.text, { mode: 0o600 });
  await mkdir(files.tmp);
  await mkdir(cacheDirectory, { recursive: true });
  // buildah calls it by either name, by version and user.
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

function buildArguments(run: BuildRun, files: BuildFiles): readonly string[] {
  const { request, workDir, isolation } = run;
  const { addHosts = [], ulimits = [], shmSizeBytes } = request;
  return [
    'build',
    ...['--layers', '--force-rm', '--pull=never', '--jobs=1', '--format=oci', '--identity-label=false'],
    ...['--skip-unused-stages=false', '--http-proxy=false'],
    `--isolation=${isolation}`,
    `--network=${request.network === 'none' && isolation !== 'chroot' ? 'none' : 'host'}`,
    `--build-context=${OWN_CONTEXT}=${join(workDir, 'own')}`,
    `--default-mounts-file=${files.mounts}`,
    `--iidfile=${join(workDir, 'iid')}`,
    ...addHosts.map(({ name, address }) => `--add-host=${name}:${address}`),
    ...ulimits.map(({ name, soft, hard }) => `--ulimit=${name}=${soft}:${hard}`),
    ...(shmSizeBytes === undefined ? [] : [`--shm-size=${shmSizeBytes}b`]),
    ...run.inputOptions,
    // Without a value: buildah takes it from its environment, where no other user can read it.
    ...run.proxies.map((text) => `--build-arg=${text.slice(0, text.indexOf('='))}`),
    `--file=${files.dockerfile}`,
    join(workDir, 'own', EMPTY_DIRECTORY),
  ];
}

function buildEnv({ proxies }: BuildRun): Readonly<Record<string, string | undefined>> {
  const given = proxies.map((text): [string, string] => [
    text.slice(0, text.indexOf('=')),
    text.slice(text.indexOf('=') + 1),
  ]);
  return {
    ...Object.fromEntries(given),
    SOURCE_DATE_EPOCH: undefined,
    BUILDAH_LAYERS: undefined,
    BUILDAH_FORMAT: undefined,
    BUILDAH_ISOLATION: undefined,
  };
}

/** Under the isolation chroot buildah knows no network but the one it has: without one, it gets none itself. */
function wrapperOf({ request, isolation, uid }: BuildRun, buildah: Buildah): readonly string[] {
  if (request.network !== 'none' || isolation !== 'chroot') return [];
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

/** Makes what `OWN_CONTEXT` holds. */
export async function writeOwnContext(workDir: string, scripts: ReadonlyMap<string, string>): Promise<void> {
  const own = join(workDir, 'own');
  await mkdir(join(own, EMPTY_DIRECTORY), { recursive: true });
  for (const [name, text] of scripts) {
    if (name.includes('/')) throw new BuildError('INTERNAL', `The script ${name} has a slash in its name.`);
    await writeFile(join(own, name), text, { mode: 0o755 });
  }
}
