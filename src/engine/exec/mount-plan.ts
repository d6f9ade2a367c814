import { existsSync } from 'node:fs';
import { type BytePath, bytePathOf, parentOf } from '../../core/index.ts';
import type { WorkingKind } from './namespace.ts';
import { fstabField } from './shell-text.ts';
import { DEVICES } from './step-tools.ts';
import type { MountType, StepFile, StepMeans, StepMount, StepRequest } from './types.ts';

/** A name that must exist before something is mounted on it. */
export interface MountPoint {
  readonly path: BytePath;
  readonly type: MountType;
}

/** A mount on a path of the step's root, with what is needed to make it. */
export interface PlannedMount {
  readonly target: BytePath;
  readonly type: MountType;
  /** Path of the host as bytes, or undefined for a tmpfs. */
  readonly source?: string;
  readonly sizeBytes?: number;
  /** Mount options that make it read-only; absent: writable. */
  readonly access?: string;
  /** Another mount lies inside it: it becomes read-only only after that one was made. */
  readonly holdsOthers: boolean;
}

/** An overlay that is mounted beside the root, to be bound into it. */
export interface PlannedOverlay {
  readonly mountPoint: string;
  readonly lowerDirs: readonly string[];
  readonly upperDir: string;
  readonly workDir: string;
  /** Nothing is written to it. */
  readonly readonly: boolean;
}

/** Everything to be mounted for a step, in order. */
export interface MountPlan {
  readonly overlays: readonly PlannedOverlay[];
  /** Mount points in the step's root with all their parents, parents first. */
  readonly rootPoints: readonly MountPoint[];
  /** Mount points in the step's own /dev, with their parents. */
  readonly devicePoints: readonly MountPoint[];
  /** Made before the root is entered. */
  readonly early: readonly PlannedMount[];
  /** Inside another mount: made from within the root, so that no symlink there can lead out of it. */
  readonly late: readonly PlannedMount[];
}

/** Plans a step's mounts: shallow ones first, nested ones after the mount that they lie in. `memory` is where its files lie. */
export function planMounts(request: StepRequest, memory: string): MountPlan {
  const overlays: PlannedOverlay[] = [];
  const wanted = [
    ...request.mounts.map((mount, index) =>
      toPlanned(mount, { base: `${request.scratchDir}/mount${index}`, overlays }),
    ),
    ...request.files.map((file, index) => fileMount(file, `${memory}/files/${index}`)),
  ].sort((a, b) => depthOf(a.target) - depthOf(b.target));
  const targets = wanted.map((mount) => mount.target);
  const mounts = wanted.map((mount) => ({
    ...mount,
    holdsOthers: targets.some((target) => isInside(target, mount.target)),
  }));
  const isLate = (mount: PlannedMount): boolean =>
    [...targets, ...SYSTEM_MOUNTS].some((target) => isInside(mount.target, target));
  const early = mounts.filter((mount) => !isLate(mount));
  const inDev = (mount: PlannedMount): boolean => isInside(mount.target, 'dev');
  return {
    overlays,
    rootPoints: withParents([...SYSTEM_POINTS, ...early.filter((mount) => !inDev(mount)).map(pointOf)]),
    devicePoints: withParents(early.filter(inDev).map(pointOf)).filter((point) => point.path !== 'dev'),
    early,
    late: mounts.filter(isLate),
  };
}

const SYSTEM_POINTS: readonly MountPoint[] = ['dev', 'proc', 'sys'].map((path) => ({ path, type: 'directory' }));
const SYSTEM_MOUNTS = ['proc', 'sys', 'dev/pts', 'dev/shm', 'dev/mqueue'];

function toPlanned(
  mount: StepMount,
  place: { readonly base: string; readonly overlays: PlannedOverlay[] },
): PlannedMount {
  if (mount.kind === 'tmpfs') {
    const size = mount.sizeBytes === undefined ? {} : { sizeBytes: mount.sizeBytes };
    return { target: mount.target, type: 'directory', holdsOthers: false, ...size };
  }
  // A user namespace may not drop the flags that the host's mount has; these two are the ones it may have.
  const access = mount.kind === 'bind' ? 'ro,nosuid,nodev' : 'ro';
  const common = { target: mount.target, type: mount.type, holdsOthers: false, ...(mount.readonly ? { access } : {}) };
  if (mount.kind === 'bind') return { ...common, source: bytePathOf(mount.source) };
  const mountPoint = `${place.base}/merged`;
  place.overlays.push({
    mountPoint,
    lowerDirs: mount.lowerDirs,
    upperDir: `${place.base}/upper`,
    workDir: `${place.base}/work`,
    readonly: mount.readonly,
  });
  return { ...common, source: `${bytePathOf(mountPoint)}${mount.subPath === '' ? '' : `/${mount.subPath}`}` };
}

function fileMount(file: StepFile, source: string): PlannedMount {
  const access = file.readonly ? { access: 'ro' } : {};
  return { target: file.target, type: 'file', source: bytePathOf(source), holdsOthers: false, ...access };
}

function pointOf(mount: PlannedMount): MountPoint {
  return { path: mount.target, type: mount.type };
}

function depthOf(path: BytePath): number {
  return path.split('/').length;
}

function isInside(path: BytePath, directory: BytePath): boolean {
  return path.startsWith(`${directory}/`);
}

function withParents(points: readonly MountPoint[]): readonly MountPoint[] {
  const found = new Map<BytePath, MountPoint>();
  const add = (point: MountPoint): void => {
    if (point.path === '' || found.has(point.path)) return;
    add({ path: parentOf(point.path), type: 'directory' });
    found.set(point.path, point);
  };
  for (const point of points) add(point);
  return [...found.values()];
}

/** Files and directories of /proc and /sys that tell about the host or reach its hardware, hidden as docker hides them. */
const MASKED_FILES = ['kcore', 'keys', 'latency_stats', 'timer_list', 'timer_stats', 'sched_debug', 'interrupts'];
const MASKED_DIRECTORIES = ['proc/asound', 'proc/acpi', 'proc/scsi', 'sys/firmware', 'sys/devices/virtual/powercap'];
const READ_ONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];

/** What the fstab of the system mounts depends on. */
export interface SystemMounts {
  readonly kind: WorkingKind;
  readonly proc: StepMeans['proc'];
  readonly root: string;
  readonly memory: string;
  readonly privateNetwork: boolean;
  readonly privileged: boolean;
  readonly shmSizeBytes: number;
}

/** The fstab lines of /dev, /proc and /sys. */
export function systemFstab(system: SystemMounts): readonly string[] {
  const at = (path: string): string => fstabField(bytePathOf(`${system.root}/${path}`));
  const lines = [`${fstabField(bytePathOf(`${system.memory}/dev`))} ${at('dev')} none bind 0 0`];
  if (system.kind === 'userns') {
    for (const name of DEVICES) lines.push(`/dev/${name} ${at(`dev/${name}`)} none bind 0 0`);
  }
  lines.push(
    `devpts ${at('dev/pts')} devpts newinstance,ptmxmode=0666,mode=0620,gid=5,nosuid,noexec 0 0`,
    `shm ${at('dev/shm')} tmpfs nosuid,nodev,noexec,mode=1777,size=${system.shmSizeBytes} 0 0`,
    `mqueue ${at('dev/mqueue')} mqueue nosuid,nodev,noexec 0 0`,
    // A new one would show what a container hides, so the kernel refuses it there.
    ...(system.proc === 'own'
      ? [`proc ${at('proc')} proc nosuid,nodev,noexec 0 0`]
      : [`/proc ${at('proc')} none rbind,nosuid,nodev,noexec 0 0`]),
    ...sysLines(system, at),
  );
  if (!system.privileged) lines.push(...maskLines(at));
  return lines;
}

/**
 * A user namespace may mount sysfs only with a network of its own. Else the host's tree is bound, which carries the control
 * groups of the user with it: they are covered.
 */
function sysLines(system: SystemMounts, at: (path: string) => string): readonly string[] {
  const access = system.privileged ? '' : 'ro,';
  if (system.kind === 'root' || system.privateNetwork) {
    return [`sysfs ${at('sys')} sysfs ${access}nosuid,nodev,noexec 0 0`];
  }
  const bound = `/sys ${at('sys')} none rbind,ro,nosuid,nodev,noexec 0 0`;
  return existsSync('/sys/fs/cgroup') ? [bound, `tmpfs ${at('sys/fs/cgroup')} tmpfs ro,size=0k 0 0`] : [bound];
}

function maskLines(at: (path: string) => string): readonly string[] {
  return [
    ...MASKED_FILES.map((name) => `proc/${name}`)
      .filter(isOnHost)
      .map((path) => `/dev/null ${at(path)} none bind 0 0`),
    ...MASKED_DIRECTORIES.filter(isOnHost).map((path) => `tmpfs ${at(path)} tmpfs ro,size=0k 0 0`),
    ...READ_ONLY.map((name) => `proc/${name}`)
      .filter(isOnHost)
      .map((path) => `${at(path)} ${at(path)} none bind,ro,nosuid,nodev,noexec 0 0`),
  ];
}

function isOnHost(path: string): boolean {
  return existsSync(`/${path}`);
}
