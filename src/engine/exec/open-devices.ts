import { statSync } from 'node:fs';
import { type FileTree, resolvePath } from '../../archive/index.ts';
import { BuildError, type BytePath, bytePathOf, cleanPath, type RunContext } from '../../core/index.ts';
import type { ExecDevice } from '../../graph/index.ts';
import { CDI_DIRECTORIES, type CdiDevice, type CdiDevices, type ContainerEdits, readCdiDevices } from './cdi-specs.ts';
import type { StepMount } from './types.ts';

/** What the devices of a step bring. */
export interface OpenDevices {
  readonly mounts: readonly StepMount[];
  readonly env: readonly string[];
  /** Groups that the process gets besides its own. */
  readonly groups: readonly number[];
}

export interface DeviceInput {
  readonly devices: readonly ExecDevice[];
  readonly base: FileTree;
  /** Where devices are described; default `CDI_DIRECTORIES`. */
  readonly directories?: readonly string[] | undefined;
}

/** Annotations by which a description names a class, and grants its device to every build (BuildKit's). */
const CLASS = 'org.mobyproject.buildkit.device.class';
const AUTO_ALLOW = 'org.mobyproject.buildkit.device.autoallow';

/**
 * Finds the devices of a step on this host: CDI names (`vendor/class=name`; `vendor/class` is the first of its kind and
 * `vendor/class=*` are all; a word without slash is a class) and paths of device nodes. A device that is not there and not
 * required is left out, with a warning.
 *
 * @throws BuildError `HOST_LACKS` for a required device that is missing, `DOCKERFILE_INVALID` for one that is not allowed,
 *   `UNSUPPORTED` for one that needs hooks.
 */
export function openDevices({ devices, base, directories }: DeviceInput, context: RunContext): OpenDevices {
  let known: CdiDevices | undefined;
  const found = devices.flatMap((device) => {
    known ??= readCdiDevices(directories ?? CDI_DIRECTORIES);
    const matching = findDevices(known, device.name);
    if (matching.length === 0) missing(device, known, context);
    for (const match of matching) checkAllowed(device, match);
    return matching;
  });
  const distinct = [...new Map(found.map((device) => [device.name, device])).values()];
  const edits = distinct.flatMap((device) => device.edits.map((edit) => checkEdits(device, edit)));
  return {
    mounts: edits.flatMap((edit) => mountsOf(edit, base)),
    env: edits.flatMap(({ env = [] }) => env),
    groups: edits.flatMap(({ additionalGids = [] }) => additionalGids),
  };
}

function findDevices({ devices }: CdiDevices, name: string): readonly CdiDevice[] {
  if (name.startsWith('/')) return isDeviceNode(name) ? [nodeDevice(name)] : [];
  const [kind = '', wanted] = name.split('=', 2);
  if (!name.includes('/')) return devices.filter(({ annotations }) => annotations[CLASS] === name);
  const ofKind = devices.filter((device) => device.name.startsWith(`${kind}=`));
  if (wanted === undefined) return ofKind.slice(0, 1);
  return wanted === '*' ? ofKind : ofKind.filter((device) => device.name === name);
}

/** A device node of the host, as if it were described. */
function nodeDevice(path: string): CdiDevice {
  return { name: path, file: path, annotations: {}, edits: [{ deviceNodes: [{ path }] }] };
}

function isDeviceNode(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && (stats.isCharacterDevice() || stats.isBlockDevice());
}

function missing({ name, required }: ExecDevice, { devices, unread }: CdiDevices, { emit }: RunContext): void {
  const message = name.startsWith('/')
    ? `There is no device node ${name} on this host`
    : `No device of this host is called "${name}"`;
  const names = devices.map((device) => device.name);
  const hint = [
    names.length === 0 ? `No device is described in ${CDI_DIRECTORIES.join(' or ')}.` : `There is ${names.join(', ')}.`,
    ...(unread.length === 0 ? [] : [`Only JSON is read, not ${unread.join(', ')}: write the description as JSON.`]),
  ].join(' ');
  if (required) throw new BuildError('HOST_LACKS', `${message}.`, { hint });
  emit({
    kind: 'warning',
    time: Date.now(),
    code: 'DeviceMissing',
    message: `${message}: the step runs without it.`,
    hint,
  });
}

function checkAllowed(wanted: ExecDevice, found: CdiDevice): void {
  if (wanted.granted || found.annotations[AUTO_ALLOW] === 'true') return;
  throw new BuildError('DOCKERFILE_INVALID', `The step needs the device ${wanted.name}, which is not granted.`, {
    hint: `Grant it with --allow device=${wanted.name}, or all devices with --allow device.`,
  });
}

/** What we do not do is refused: the device would be there, but not work. */
function checkEdits(device: CdiDevice, edits: ContainerEdits): ContainerEdits {
  const { hooks = [], netDevices = [], intelRdt, deviceNodes = [] } = edits;
  const limited = deviceNodes.find(
    ({ permissions = 'rw' }) => !(permissions.includes('r') && permissions.includes('w')),
  );
  const refused = [
    ...(hooks.length === 0 ? [] : ['hooks']),
    ...(netDevices.length === 0 ? [] : ['network devices']),
    ...(intelRdt === undefined ? [] : ['intelRdt']),
    ...(limited === undefined ? [] : [`only the rights "${limited.permissions}" on ${limited.path}`]),
  ];
  if (refused.length === 0) return edits;
  throw new BuildError(
    'UNSUPPORTED',
    `The device ${device.name} cannot be given to a step: its description asks for ${refused.join(' and ')}.`,
    { hint: `Device nodes, mounts, variables and groups are supported. The description is ${device.file}.` },
  );
}

function mountsOf({ deviceNodes = [], mounts = [] }: ContainerEdits, base: FileTree): readonly StepMount[] {
  return [
    ...deviceNodes.map(({ path, hostPath = path }): StepMount => {
      if (!isDeviceNode(hostPath)) throw notThere(hostPath, 'device node');
      return { kind: 'bind', type: 'file', source: hostPath, target: targetOf(path, base), readonly: false };
    }),
    ...mounts.map(({ hostPath, containerPath, options = [] }): StepMount => {
      const stats = statSync(hostPath, { throwIfNoEntry: false });
      if (stats === undefined) throw notThere(hostPath, 'file or directory');
      const type = stats.isDirectory() ? 'directory' : 'file';
      const readonly = options.includes('ro');
      return { kind: 'bind', type, source: hostPath, target: targetOf(containerPath, base), readonly };
    }),
  ];
}

/** /dev of a step is its own; elsewhere the image's symlinks are followed. */
function targetOf(path: string, base: FileTree): BytePath {
  const clean = cleanPath(bytePathOf(path));
  return clean.startsWith('dev/') ? clean : resolvePath(base, clean, { followLast: true });
}

function notThere(path: string, what: string): BuildError {
  return new BuildError('HOST_LACKS', `A device of the step cannot be opened: there is no ${what} ${path}.`, {
    hint: 'Load the driver, or describe the device anew.',
  });
}
