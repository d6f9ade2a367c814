import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { BuildError } from '../../core/index.ts';

/** Where the Container Device Interface has its files; a later directory goes before an earlier one. */
export const CDI_DIRECTORIES: readonly string[] = ['/etc/cdi', '/var/run/cdi'];

/** What a device adds to a container (CDI 0.8, `containerEdits`), as far as it is used here. */
export interface ContainerEdits {
  readonly env?: readonly string[];
  readonly deviceNodes?: ReadonlyArray<{
    readonly path: string;
    readonly hostPath?: string;
    readonly permissions?: string;
  }>;
  readonly mounts?: ReadonlyArray<{
    readonly hostPath: string;
    readonly containerPath: string;
    readonly options?: readonly string[];
  }>;
  readonly additionalGids?: readonly number[];
  readonly hooks?: readonly unknown[];
  readonly intelRdt?: unknown;
  readonly netDevices?: readonly unknown[];
}

/** A device that a file describes. */
export interface CdiDevice {
  /** `vendor/class=name`. */
  readonly name: string;
  readonly file: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Of the file as a whole, then of the device. */
  readonly edits: readonly ContainerEdits[];
}

/** The devices of a host. */
export interface CdiDevices {
  readonly devices: readonly CdiDevice[];
  /** Files of the directories that are not read: YAML. */
  readonly unread: readonly string[];
}

/** Reads the descriptions of devices. @throws BuildError `HOST_LACKS` for a file that is none, or that two devices share a name. */
export function readCdiDevices(directories: readonly string[]): CdiDevices {
  const devices = new Map<string, CdiDevice>();
  const unread: string[] = [];
  for (const directory of directories) {
    const here = new Map<string, CdiDevice>();
    for (const file of filesOf(directory)) {
      if (extname(file) === '.json') for (const device of readSpec(file)) addOnce(here, device);
      else unread.push(file);
    }
    for (const [name, device] of here) devices.set(name, device);
  }
  return { devices: [...devices.values()], unread };
}

function filesOf(directory: string): readonly string[] {
  try {
    const names = readdirSync(directory).filter((name) => /\.(json|ya?ml)$/.test(name));
    return names.sort().map((name) => join(directory, name));
  } catch {
    return [];
  }
}

function addOnce(devices: Map<string, CdiDevice>, device: CdiDevice): void {
  const other = devices.get(device.name);
  if (other !== undefined) {
    throw new BuildError('HOST_LACKS', `The device ${device.name} is described twice: ${other.file}, ${device.file}.`, {
      hint: 'Remove one of the descriptions.',
    });
  }
  devices.set(device.name, device);
}

interface Spec {
  readonly kind: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly containerEdits?: ContainerEdits;
  readonly devices: ReadonlyArray<{
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly containerEdits?: ContainerEdits;
  }>;
}

function readSpec(file: string): readonly CdiDevice[] {
  const spec = parseSpec(file);
  return spec.devices.map(({ name, annotations, containerEdits }) => ({
    name: `${spec.kind}=${name}`,
    file,
    annotations: { ...spec.annotations, ...annotations },
    edits: [spec.containerEdits ?? {}, containerEdits ?? {}],
  }));
}

function parseSpec(file: string): Spec {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (!isSpec(value)) throw new Error('it has no kind, or no list of devices');
    return value;
  } catch (cause) {
    throw new BuildError('HOST_LACKS', `${file} does not describe devices: ${(cause as Error).message}.`, {
      cause,
      hint: 'See the Container Device Interface for the form of the file.',
    });
  }
}

function isSpec(value: unknown): value is Spec {
  const { kind, devices } = (value ?? {}) as { readonly kind?: unknown; readonly devices?: unknown };
  return (
    typeof kind === 'string' &&
    Array.isArray(devices) &&
    devices.every((device: unknown) => typeof (device as { readonly name?: unknown } | null)?.name === 'string')
  );
}
