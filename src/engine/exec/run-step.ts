import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, bytePathOf, parentOf, type RunContext } from '../../core/index.ts';
import { makeOpenDirectory } from '../make-directory.ts';
import { type BootPaths, bootScript, earlyFstabLine } from './boot-script.ts';
import { runFileWork } from './file-work.ts';
import { type MountPlan, type PlannedOverlay, planMounts, systemFstab } from './mount-plan.ts';
import { stepCommand, type WorkingKind } from './namespace.ts';
import { limitArguments } from './resource-limits.ts';
import { fstabField, quoteText, quoteWord } from './shell-text.ts';
import type { StepPlace, StepPlaces } from './step-places.ts';
import { runStepProcess, type StepOutcome } from './step-process.ts';
import type { StepTools } from './step-tools.ts';
import type { StepMeans, StepRequest, StepResult } from './types.ts';
import { userNamespace as openUserNamespace } from './user-namespace.ts';

/** What every step on this host shares. */
export interface StepHost {
  readonly kind: WorkingKind;
  readonly means: StepMeans;
  readonly tools: StepTools;
  readonly places: StepPlaces;
}

/** The kernel stops at 500 lower directories; one of ours lies at the bottom. */
const MAX_LAYERS = 499;

const PLAIN_PATH = /^[\w/.+@-]{1,400}$/;

/** Runs one step. @throws BuildError `HOST_LACKS`, `UNSUPPORTED`, `CANCELLED`. */
export async function runStep(host: StepHost, request: StepRequest, context: RunContext): Promise<StepResult> {
  checkRequest(request);
  const userNamespace = host.kind === 'userns' ? await openUserNamespace() : undefined;
  const place = await host.places.acquire();
  const plan = planMounts(request, join(place.directory, 'memory'));
  if (host.means.roots === 'copies') await copyWritable(host.kind, plan.overlays);
  const paths = prepareScratch(host, { request, plan, place });
  const privateNetwork = request.network === 'none';
  const script = bootScript({
    request,
    plan,
    paths,
    launcher: host.tools.launcher,
    limits: limitArguments(request.ulimits),
    privateNetwork,
  });
  const command = stepCommand(host.kind, { privateNetwork });
  const process = { command, script, userNamespace, onOutput: request.onOutput };
  const outcome = await runStepProcess(place.fifos, process, context.signal);
  if (!outcome.started) throw bootstrapFailed(outcome);
  if (outcome.exit.exitCode === 0 && outcome.madePaths.length > 0) {
    await removeMountPoints(host.kind, { outcome, paths, upperDir: request.upperDir });
  }
  place.release();
  return { ...outcome.exit, madePaths: outcome.madePaths };
}

function checkRequest(request: StepRequest): void {
  const stacks = [
    request.lowerDirs,
    ...request.mounts.flatMap((mount) => (mount.kind === 'overlay' ? [mount.lowerDirs] : [])),
  ];
  if (stacks.some((stack) => stack.length > MAX_LAYERS)) {
    throw new BuildError('UNSUPPORTED', `A step cannot stand on more than ${MAX_LAYERS} layers.`, {
      hint: 'The kernel mounts no deeper stack; start the stage from a base that was squashed.',
    });
  }
  if (request.mounts.some((mount) => mount.target === '')) {
    throw new BuildError('DOCKERFILE_INVALID', 'Nothing can be mounted at / of a step.', {
      hint: 'Give the mount a target below the root.',
    });
  }
}

function prepareScratch(
  host: StepHost,
  { request, plan, place }: { readonly request: StepRequest; readonly plan: MountPlan; readonly place: StepPlace },
): BootPaths {
  const at = (name: string): string => join(place.directory, name);
  const root = {
    lowerDirs: request.lowerDirs,
    upperDir: request.upperDir,
    workDir: request.workDir,
    mountPoint: at('root'),
    readonly: false,
  };
  const stubs = host.means.roots === 'copies' ? undefined : place.stubs(plan.rootPoints);
  const overlays = [root, ...plan.overlays].map((overlay) =>
    stubs === undefined ? copyLine(overlay) : overlayLine(host.kind, overlay, { place, stubs }),
  );
  const memory = `tmpfs ${fstabField(bytePathOf(at('memory')))} tmpfs mode=755,nosuid,size=64m 0 0`;
  const tools = fstabField(bytePathOf(host.tools.directory));
  const late = [
    // Read-only: a command could otherwise open the loader it was started by for writing (as in CVE-2019-5736).
    `${tools} ${tools} none bind,ro${host.kind === 'userns' ? ',nosuid,nodev' : ''} 0 0`,
    ...systemFstab({
      kind: host.kind,
      proc: host.means.proc,
      root: at('root'),
      memory: at('memory'),
      privateNetwork: request.network === 'none',
      privileged: request.security === 'insecure',
      shmSizeBytes: request.shmSizeBytes,
    }),
    ...plan.early.map((mount) => earlyFstabLine(mount, at('root'))),
  ];
  return {
    links: at('links'),
    root: at('root'),
    memory: at('memory'),
    stamps: at('stamps'),
    tools: host.tools.directory,
    template: host.tools.template,
    fstabs: [
      place.file('fstab.first', `${[...overlays, memory].join('\n')}\n`),
      place.file('fstab.second', `${late.join('\n')}\n`),
    ],
  };
}

/**
 * Mount options are cut at one page, so layers are named by short links in the current directory. Options beyond those
 * that both kinds of namespaces accept would put forms into the upper directory that no layer can hold.
 */
function overlayLine(
  kind: WorkingKind,
  overlay: PlannedOverlay,
  { place, stubs }: { readonly place: StepPlace; readonly stubs: string },
): string {
  for (const directory of [overlay.upperDir, overlay.workDir, overlay.mountPoint]) {
    if (!existsSync(directory)) makeOpenDirectory(directory);
  }
  const lower = [stubs, ...overlay.lowerDirs].reverse().map((directory) => place.link(directory));
  // These two are of this step alone: a link is spent only on characters that separate options.
  const own = (directory: string): string => (PLAIN_PATH.test(directory) ? directory : place.link(directory));
  const options = [
    `lowerdir=${lower.join(':')}`,
    `upperdir=${own(overlay.upperDir)}`,
    `workdir=${own(overlay.workDir)}`,
    'redirect_dir=nofollow,metacopy=off,index=off,xino=off,volatile',
    ...(kind === 'userns' ? ['userxattr'] : []),
  ];
  return `overlay ${fstabField(bytePathOf(overlay.mountPoint))} overlay ${options.join(',')} 0 0`;
}

/** What stands for an overlay where there is none: the copy of its layers, or the one layer itself if nothing is written. */
function copyLine(overlay: PlannedOverlay): string {
  if (!existsSync(overlay.mountPoint)) makeOpenDirectory(overlay.mountPoint);
  const source = overlay.readonly ? overlay.lowerDirs[0]! : overlay.upperDir;
  return `${fstabField(bytePathOf(source))} ${fstabField(bytePathOf(overlay.mountPoint))} none bind 0 0`;
}

async function copyWritable(kind: WorkingKind, overlays: readonly PlannedOverlay[]): Promise<void> {
  for (const { readonly, lowerDirs, upperDir } of overlays) {
    if (readonly) continue;
    makeOpenDirectory(upperDir);
    await runFileWork(kind, ['cp', '-a', '--reflink=auto', `${lowerDirs[0]}/.`, upperDir]);
  }
}

/**
 * Takes away mount points that the image's whiteouts made necessary. A directory that only we touched gets its time back:
 * what the command itself did to it is later than our own stamp.
 */
async function removeMountPoints(
  kind: WorkingKind,
  made: { readonly outcome: StepOutcome; readonly paths: BootPaths; readonly upperDir: string },
): Promise<void> {
  const paths = made.outcome.madePaths;
  const parents = new Map<string, { readonly first: number; readonly last: number }>();
  for (const [index, path] of paths.entries()) {
    const parent = parentOf(path);
    parents.set(parent, { first: parents.get(parent)?.first ?? index + 1, last: index + 1 });
  }
  const inUpper = (path: string): string => `"$U"/${quoteWord(path)}`;
  const script = [
    `U=${quoteText(made.upperDir)}; S=${quoteText(made.paths.stamps)}; exec 2>/dev/null`,
    ...[...parents].map(([path, { last }]) => `[ ${inUpper(path)} -nt "$S/${last}.after" ] || untouched${last}=1`),
    ...[...paths]
      .reverse()
      .map((path) => `rmdir ${inUpper(path)} || [ -s ${inUpper(path)} ] || rm -f ${inUpper(path)}`),
    ...[...parents].map(
      ([path, { first, last }]) =>
        `[ -z "\${untouched${last}-}" ] || touch -c -r "$S/${first}.before" ${inUpper(path)}`,
    ),
    'exit 0',
  ].join('\n');
  await runFileWork(kind, ['/bin/sh', '-c', script]);
}

const HINTS: ReadonlyArray<readonly [pattern: RegExp, hint: string]> = [
  [/\bip: not found/, 'Install iproute2: a step without network needs it to bring its loopback device up.'],
  [/no space left/i, 'Free space, for example with `zlayer prune`.'],
  [
    /wrong fs type|unknown filesystem type 'overlay'/,
    'The data directory must lie on a file system that overlayfs can write to, such as ext4, xfs or tmpfs.',
  ],
];

function bootstrapFailed(outcome: StepOutcome): BuildError {
  const messages = outcome.messages || `its bootstrap ended with status ${outcome.exit.exitCode}`;
  return new BuildError('HOST_LACKS', `The step could not be isolated: ${messages}`, {
    hint: HINTS.find(([pattern]) => pattern.test(messages))?.[1],
  });
}
