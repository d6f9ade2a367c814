import { BuildError, type RunContext } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import type { Env } from '../selection/host-facts.ts';
import { buildahCandidates, findExecutable } from './find-buildah.ts';
import { readInstallHint } from './install-hint.ts';
import { type Buildah, runBuildah } from './run-buildah.ts';
import { formatVersion, isAtLeast, MINIMUM_VERSION, parseBuildahVersion } from './version.ts';

/** Where buildah keeps its images. What is not given is as buildah's own configuration says. */
export interface BuildahStorage {
  readonly root: string;
  readonly runRoot: string;
  /** Such as `overlay` or `vfs`. */
  readonly driver: string;
}

export interface OpenBuildahDeps {
  readonly store: Store;
  readonly env: Env;
  readonly storage?: BuildahStorage;
}

/**
 * Finds buildah and asks for its version.
 *
 * @throws BuildError `BACKEND_UNAVAILABLE` when there is none, or it is too old.
 */
export async function openBuildah(deps: OpenBuildahDeps, context: RunContext): Promise<Buildah> {
  const candidates = buildahCandidates({ dataDir: deps.store.root, env: deps.env });
  const path = await findExecutable(candidates);
  if (path === undefined) {
    throw new BuildError(
      'BACKEND_UNAVAILABLE',
      'buildah is not installed: it is neither in PATH nor where it usually is.',
      {
        hint: await readInstallHint(),
      },
    );
  }
  const unknown = {
    path,
    version: MINIMUM_VERSION,
    globalArgs: globalArgsOf(deps.storage),
    env: deps.env,
    memory: new Map(),
  };
  const { stdout, stderr } = await runBuildah({ ...unknown, globalArgs: [] }, { args: ['--version'] }, context);
  const version = parseBuildahVersion(stdout);
  if (version === undefined) {
    throw new BuildError(
      'BACKEND_UNAVAILABLE',
      `${path} does not tell its version: it printed "${(stdout || stderr).trim()}".`,
    );
  }
  if (!isAtLeast(version, MINIMUM_VERSION.major, MINIMUM_VERSION.minor)) {
    throw new BuildError(
      'BACKEND_UNAVAILABLE',
      `${path} is buildah ${formatVersion(version)}; 1.28 or later is needed.`,
      {
        hint: await readInstallHint(),
      },
    );
  }
  return { ...unknown, version };
}

function globalArgsOf(storage: BuildahStorage | undefined): readonly string[] {
  if (storage === undefined) return [];
  return ['--root', storage.root, '--runroot', storage.runRoot, '--storage-driver', storage.driver];
}
