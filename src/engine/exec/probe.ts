import { readFileSync, rmSync, statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, digestHex, digestOfFields, isBuildError, type RunContext } from '../../core/index.ts';
import { makeOpenDirectory } from '../make-directory.ts';
import { removeWorkDir } from './file-work.ts';
import { findProgram, missingPrograms, relevantPrograms } from './host-programs.ts';
import type { WorkingKind } from './namespace.ts';
import { runStep } from './run-step.ts';
import type { StepPlaces } from './step-places.ts';
import { openStepTools } from './step-tools.ts';
import type { HostProbe, IsolationKind, StepMeans } from './types.ts';

/** Why one way does not work, and what would help. */
export type ProbeFailure = HostProbe['reasons'][number];

/** Where the probe works: on the file system that steps will use. */
export interface ProbePlace {
  readonly stateDir: string;
  readonly places: StepPlaces;
  readonly version: string;
  /** What to begin with. */
  readonly means?: Partial<StepMeans> | undefined;
}

/** Everything that the outcome of the probe depends on, as one short word: kernel start, user, programs, id ranges, switches. */
export function hostVersion(uid: number): string {
  const programs = relevantPrograms().map((path) => [path, statLine(path)] as const);
  const files = ['/proc/sys/kernel/random/boot_id', '/etc/subuid', '/etc/subgid', ...Object.keys(SWITCHES)];
  const texts = files.map((path) => [path, readText(path) ?? ''] as const);
  return digestHex(digestOfFields([['format', '1'], ['uid', String(uid)], ...programs, ...texts])).slice(0, 16);
}

function statLine(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 'missing' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Finds the best way that works by doing it: a step in an empty root, whose program cannot exist. */
export async function probeHost(place: ProbePlace, uid: number, context: RunContext): Promise<HostProbe> {
  const reasons: ProbeFailure[] = [];
  for (const kind of ['root', 'userns'] as const) {
    const found = obstacle(kind, uid) ?? (await tryKind(place, kind, context));
    if (!('reason' in found)) return { kind, ...found, reasons };
    reasons.push({ kind, ...found });
  }
  reasons.push(SINGLE_USER);
  return { kind: 'none', ...PLAIN_MEANS, reasons };
}

type Failure = Omit<ProbeFailure, 'kind'>;

/** A map of one id would store every file of an image as one owner's, silently: such layers would be wrong, so it is not offered. */
const SINGLE_USER: ProbeFailure = {
  kind: 'userns-single',
  reason: "a user namespace with a single id cannot hold the owners of an image's files",
  hint: 'Give this user a range of subordinate ids.',
};

function obstacle(kind: WorkingKind, uid: number): Failure | undefined {
  if (kind === 'root' && uid !== 0) return { reason: 'the current user is not root' };
  const missing = missingPrograms();
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(({ packageName }) => packageName))].join(' ');
    return {
      reason: `not installed: ${missing.map(({ program }) => program).join(', ')}`,
      hint: `Install what is missing, on Debian with \`apt-get install ${packages}\`.`,
    };
  }
  return kind === 'userns' ? mappingObstacle(uid) : undefined;
}

/** Kernel switches that forbid user namespaces: the value that does, and how to allow them. */
const SWITCHES: Readonly<Record<string, { readonly forbidden: string; readonly hint: string }>> = {
  '/proc/sys/kernel/unprivileged_userns_clone': {
    forbidden: '0',
    hint: 'Allow it with `sysctl -w kernel.unprivileged_userns_clone=1`.',
  },
  '/proc/sys/user/max_user_namespaces': {
    forbidden: '0',
    hint: 'Allow some with `sysctl -w user.max_user_namespaces=15000`.',
  },
};

function mappingObstacle(uid: number): Failure | undefined {
  for (const [path, { forbidden, hint }] of Object.entries(SWITCHES)) {
    if (readText(path) === forbidden && (uid !== 0 || path.endsWith('max_user_namespaces')))
      return { reason: `${path} is ${forbidden}`, hint };
  }
  if (uid === 0) return undefined;
  if (findProgram('newuidmap') === undefined || findProgram('newgidmap') === undefined) {
    return {
      reason: 'newuidmap and newgidmap are not installed',
      hint: 'Install them, on Debian with `apt-get install uidmap`.',
    };
  }
  return undefined;
}

const PLAIN_MEANS: StepMeans = { roots: 'overlay', proc: 'own' };

/** Falls back from what a trial shows to be forbidden, one means at a time. */
async function tryKind(place: ProbePlace, kind: WorkingKind, context: RunContext): Promise<StepMeans | Failure> {
  let means: StepMeans = { ...PLAIN_MEANS, ...place.means };
  for (;;) {
    const failure = await tryMeans(place, { kind, means }, context);
    if (failure === undefined) return means;
    const next = otherMeans(means, failure.message);
    if (next === undefined) return explain(failure);
    means = next;
  }
}

/** By the mount that failed, as `mount` names it. */
function otherMeans(means: StepMeans, message: string): StepMeans | undefined {
  if (means.roots === 'overlay' && /\/root: /.test(message)) return { ...means, roots: 'copies' };
  if (means.proc === 'own' && /\/root\/proc: /.test(message)) return { ...means, proc: 'host' };
  return undefined;
}

async function tryMeans(
  place: ProbePlace,
  { kind, means }: { readonly kind: WorkingKind; readonly means: StepMeans },
  context: RunContext,
): Promise<Error | undefined> {
  const directory = await mkdtemp(join(place.stateDir, 'probe-'));
  try {
    for (const name of ['upper', 'work', 'scratch']) makeOpenDirectory(join(directory, name));
    const tools = openStepTools(place.stateDir, kind, place.version);
    const exit = await runStep({ kind, means, tools, places: place.places }, probeRequest(directory), context);
    return exit.exitCode === NO_SUCH_PROGRAM
      ? undefined
      : new Error(`a trial step ended with status ${exit.exitCode} instead of ${NO_SUCH_PROGRAM}`);
  } catch (error) {
    if (isBuildError(error, 'CANCELLED')) throw error;
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    removeWorkDir(join(directory, 'work'));
    rmSync(directory, { recursive: true, force: true });
  }
}

const NO_SUCH_PROGRAM = 127;

function probeRequest(directory: string): Parameters<typeof runStep>[1] {
  return {
    lowerDirs: [],
    upperDir: join(directory, 'upper'),
    workDir: join(directory, 'work'),
    scratchDir: join(directory, 'scratch'),
    args: ['/no-such-program'],
    env: [],
    cwd: '/',
    // A second id shows that the map is whole.
    user: { uid: 1, gid: 1, groups: [2], home: '/' },
    mounts: [],
    network: 'default',
    security: 'sandbox',
    hostname: 'probe',
    files: [{ target: 'etc/hosts', bytes: Buffer.from('x'), mode: 0o644, uid: 1, gid: 1, readonly: true }],
    shmSizeBytes: 65536,
    ulimits: [],
    onOutput: () => undefined,
  };
}

const EXPLANATIONS: ReadonlyArray<readonly [pattern: RegExp, hint: string]> = [
  [
    /no line matching user|failed to find subuid|no subuid|mapping .* not|newuidmap|Insufficient/i,
    'Give this user a range in /etc/subuid and /etc/subgid: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`.',
  ],
  [
    /unshare.*(not permitted|permission denied)/i,
    'In a container, its filter on system calls must allow `unshare`: seccompProfile `Unconfined` in Kubernetes, `--security-opt seccomp=unconfined` in Docker.',
  ],
];

function explain(error: Error): Failure {
  const told = error.message.replace(/^The step could not be isolated: /, '');
  const hint =
    apparmorHint(told) ??
    EXPLANATIONS.find(([pattern]) => pattern.test(told))?.[1] ??
    (error instanceof BuildError ? error.hint : undefined);
  const reason = told.split('\n', 1)[0]!.replace(/\.+$/, '');
  return hint === undefined ? { reason } : { reason, hint };
}

function apparmorHint(reason: string): string | undefined {
  const restricted = readText('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1';
  return restricted && /permission|not permitted/i.test(reason)
    ? 'AppArmor restricts user namespaces here: allow them with `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or run as root.'
    : undefined;
}

/** How RUN is refused on a host without isolation. */
export function isolationMissing(probe: HostProbe): BuildError {
  const told = probe.reasons.map(({ kind, reason }) => `${LABELS[kind]}: ${reason}`).join('; ');
  return new BuildError('HOST_LACKS', `RUN cannot be isolated on this host (${told}).`, {
    hint: probe.reasons.flatMap(({ hint }) => (hint === undefined ? [] : [hint]))[0],
  });
}

const LABELS: Readonly<Record<IsolationKind, string>> = {
  root: 'as root',
  userns: 'in a user namespace',
  'userns-single': 'in a user namespace with one id',
  none: 'not at all',
};
