import { bytePathOf, parentOf } from '../../core/index.ts';
import type { MountPlan, MountPoint, PlannedMount } from './mount-plan.ts';
import { fstabField, printfOf, quoteText, quoteWord } from './shell-text.ts';
import type { StepScript } from './step-process.ts';
import type { StepRequest } from './types.ts';

/**
 * The bootstrap of a step, a POSIX shell script that runs as process 1 of the new namespaces. It is its input, through
 * a FIFO, so that neither environment nor secrets ever stand in an argument list or on a disk. Descriptors: 1 and 5 the command's
 * output, 2 messages of the bootstrap itself, 4 reports (`made PATH`, then `ok`).
 *
 * Process 1 stays this shell: it reaps orphans, and the command gets the signals that process 1 would ignore.
 */
export interface BootInput {
  readonly request: StepRequest;
  readonly plan: MountPlan;
  readonly paths: BootPaths;
  readonly launcher: string;
  /** `prlimit` arguments. */
  readonly limits: readonly string[];
  readonly privateNetwork: boolean;
}

/** Places on the host, all absolute. */
export interface BootPaths {
  /** Directory with the short names of the layers. */
  readonly links: string;
  readonly root: string;
  /** A tmpfs: `dev/` and `files/`. */
  readonly memory: string;
  /** Time stamps of directories in which a mount point had to be made. */
  readonly stamps: string;
  readonly tools: string;
  readonly template: string;
  /** Mounted first (`links` is the current directory), and after all mount points exist. */
  readonly fstabs: readonly [string, string];
}

/** The script as bytes, one character each. */
export function bootScript(input: BootInput): StepScript {
  return { setup: setupLines(input).join('\n'), command: [...commandLines(input), 'exit $status\n'].join('\n') };
}

function setupLines(input: BootInput): readonly string[] {
  const { plan, paths, request } = input;
  return [
    'set -eu; umask 022; exec 3<&-',
    `cd ${quoteText(paths.links)}; mount -n -c -a -T ${quoteText(paths.fstabs[0])}`,
    `cp -a ${quoteText(`${paths.template}/.`)} ${quoteText(paths.memory)}`,
    ...mountPointCommands(input),
    ...fileCommands(input),
    `mount -n -c -a -T ${quoteText(paths.fstabs[1])}`,
    ...hostnameCommands(request.hostname),
    ...(input.privateNetwork ? ['ip link set lo up'] : []),
    ...(input.limits.length > 0 ? [`prlimit --pid $$ ${input.limits.join(' ')}`] : []),
    ...enterRootCommands(plan, input),
    `[ -d ${quoteText(request.cwd)} ] || ${input.launcher}./mkdir -p ${quoteText(request.cwd)}`,
    'status=0; echo ok >&4; exec 4>&- 2>/dev/null\n',
  ];
}

function mountPointCommands({ plan, paths }: BootInput): readonly string[] {
  return [
    `R=${quoteText(paths.root)}; M=${quoteText(paths.memory)}; S=${quoteText(paths.stamps)}; n=0`,
    // A mount point that the image hides from the stub layer is made for real and reported, to be taken away afterwards.
    'keep() { n=$((n+1)); touch -r "$R/$2" "$S/$n.before"; }',
    'made() { touch -r "$R/$2" "$S/$n.after"; echo "made $1" >&4; }',
    'd() { [ -d "$R/$1" ] || { keep "$@"; mkdir "$R/$1"; made "$@"; }; }',
    'f() { [ -e "$R/$1" ] || { keep "$@"; : > "$R/$1"; made "$@"; }; }',
    'for p in dev proc sys; do [ ! -L "$R/$p" ] || { echo "/$p of the image is a symbolic link" >&2; exit 1; }; done',
    ...plan.rootPoints.map(
      (point) =>
        `${point.type === 'directory' ? 'd' : 'f'} ${quoteWord(point.path)} ${quoteWord(parentOf(point.path))}`,
    ),
    ...plan.devicePoints.map((point) => makePoint(point, '"$M"/')),
  ];
}

function makePoint(point: MountPoint, prefix: string): string {
  const path = `${prefix}${quoteWord(point.path)}`;
  return point.type === 'directory' ? `[ -d ${path} ] || mkdir ${path}` : `[ -e ${path} ] || : > ${path}`;
}

function fileCommands({ request, paths }: BootInput): readonly string[] {
  return request.files.flatMap((file, index) => {
    const path = quoteText(`${paths.memory}/files/${index}`);
    const owner = file.uid === 0 && file.gid === 0 ? [] : [`chown ${file.uid}:${file.gid} ${path}`];
    // The mask makes the plain permission bits in one go; a process is spent only on what it cannot express.
    const plain = (file.mode & ~0o666) === 0;
    const mask = (0o666 & ~file.mode).toString(8).padStart(3, '0');
    const mode = plain ? [] : [`chmod ${file.mode.toString(8)} ${path}`];
    return [`umask ${plain ? mask : '077'}; ${printfOf(file.bytes)} > ${path}; umask 022`, ...owner, ...mode];
  });
}

/** Writing the name is free; where only a program may do it (a user namespace), the program does it. */
function hostnameCommands(hostname: string): readonly string[] {
  const name = quoteText(hostname);
  return [`{ printf %s ${name} > /proc/sys/kernel/hostname; } 2>/dev/null || hostname ${name}`];
}

/** Leaves the host's tree: from here on only the tools of the current directory can be reached, and only by relative names. */
function enterRootCommands(plan: MountPlan, { paths, launcher }: BootInput): readonly string[] {
  const enter = `cd ${quoteText(paths.tools)}`;
  if (plan.late.length === 0) {
    // The old root is stacked upon /dev/shm for a moment, so that no directory is needed for it.
    return [`${enter}; pivot_root "$R" "$R/dev/shm"; ${launcher}./umount -n -l /dev/shm`];
  }
  return [
    // Named at random: a symlink in a shared cache must not lead to it.
    `old=dev/.$(tr -dc a-f0-9 < /dev/urandom | head -c 24); mkdir "$R/$old"`,
    `${enter}; pivot_root "$R" "$R/$old"`,
    ...plan.late.flatMap((mount) => lateMountCommands(mount, launcher)),
    ...[...plan.early, ...plan.late]
      .filter((mount) => mount.holdsOthers && mount.access !== undefined)
      .map((mount) => `${launcher}./mount -n -c -o remount,bind,${mount.access} none /${quoteWord(mount.target)}`),
    `${launcher}./umount -n -l "/$old"`,
  ];
}

function lateMountCommands(mount: PlannedMount, launcher: string): readonly string[] {
  const target = `/${quoteWord(mount.target)}`;
  const parent = `/${quoteWord(parentOf(mount.target))}`;
  const tool = `${launcher}./`;
  const point =
    mount.type === 'directory'
      ? `[ -d ${target} ] || ${tool}mkdir -p ${target}`
      : `[ -e ${target} ] || { [ -d ${parent} ] || ${tool}mkdir -p ${parent}; : > ${target}; }`;
  if (mount.source === undefined) {
    return [point, `${tool}mount -n -c -t tmpfs -o ${tmpfsOptions(mount)} tmpfs ${target}`];
  }
  return [point, `${tool}mount -n -c -o ${bindOptions(mount)} "/$old"${quoteWord(mount.source)} ${target}`];
}

/** The fstab line of a mount made before the root is entered. */
export function earlyFstabLine(mount: PlannedMount, root: string): string {
  const target = fstabField(`${bytePathOf(root)}/${mount.target}`);
  if (mount.source === undefined) return `tmpfs ${target} tmpfs ${tmpfsOptions(mount)} 0 0`;
  return `${fstabField(mount.source)} ${target} none ${bindOptions(mount)} 0 0`;
}

function bindOptions(mount: PlannedMount): string {
  return mount.access === undefined || mount.holdsOthers ? 'bind' : `bind,${mount.access}`;
}

function tmpfsOptions(mount: PlannedMount): string {
  const size = mount.sizeBytes === undefined ? '' : `,size=${mount.sizeBytes}`;
  return `nosuid,nodev,mode=1777${size}`;
}

const CAPABILITIES = [
  ...['chown', 'dac_override', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap', 'net_bind_service'],
  ...['net_raw', 'sys_chroot', 'mknod', 'audit_write', 'setfcap'],
];

/** Variables that a shell or a loader would act upon itself: only the last `env` may set them. */
const NOT_FOR_THE_SHELL =
  /^(LD_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NLSPATH|MALLOC_.*|BASH.*|SHELLOPTS|POSIXLY_CORRECT|IFS|ENV|PS\d|PPID|U?ID|EUID|UID|GROUPS|DIRSTACK|FUNCNAME|OPT(IND|ARG|ERR)|LINENO|RANDOM|SECONDS|SRANDOM|EPOCH.*|HISTCMD|PWD|OLDPWD|SHLVL|_)$/;
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The command itself, in a child of the bootstrap: environment by `export` (built in), identity by setpriv, the rest by env. */
function commandLines({ request, launcher }: BootInput): readonly string[] {
  const variables = request.env.map((assignment) => {
    const at = assignment.indexOf('=');
    const [name, value] = at < 0 ? [assignment, ''] : [assignment.slice(0, at), assignment.slice(at + 1)];
    return { name, value, assignment: `${name}=${value}` };
  });
  const exported = variables.filter(({ name }) => IDENTIFIER.test(name) && !NOT_FOR_THE_SHELL.test(name));
  const passed = variables.filter((variable) => !exported.includes(variable) && variable.name !== '');
  const { uid, gid, groups } = request.user;
  const identity = [
    `--pdeathsig SIGKILL --reuid ${uid} --regid ${gid}`,
    // The primary group is among them, as in every runtime: else a process could shed what a file denies its group.
    `--groups=${[...new Set([gid, ...groups])].join(',')}`,
    request.security === 'insecure'
      ? ''
      : `--inh-caps=-all --bounding-set=-all,${CAPABILITIES.map((name) => `+${name}`).join(',')}`,
  ].join(' ');
  const assignments = passed.map((variable) => quoteText(variable.assignment)).join(' ');
  const cwd = quoteText(request.cwd);
  // env(1) takes a program whose name holds "=" for a variable: another tool changes the directory and starts it.
  const isNameClear = request.args[0]?.includes('=') !== true;
  const enter = isNameClear ? `-C ${cwd} ${assignments}` : `${assignments} ${launcher}./unshare --wd=${cwd} --`;
  return [
    '( unset PATH LC_ALL LIBMOUNT_FORCE_MOUNT2',
    ...exported.map(({ name, value }) => `export ${name}=${quoteText(value)}`),
    `exec ${launcher}./setpriv ${identity} \\`,
    `  ${launcher}./env -u PWD -u OLDPWD -u SHLVL -u _ ${enter} \\`,
    `  ${request.args.map(quoteText).join(' ')}`,
    ') </dev/null 2>&5 5>&- || status=$?',
  ];
}
