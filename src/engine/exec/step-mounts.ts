import { join } from 'node:path';
import { type FileTree, resolvePath } from '../../archive/index.ts';
import { BuildError, type BytePath, bytePathOf, type RunContext, textOfPath } from '../../core/index.ts';
import type { ExecMount, ExecOp } from '../../graph/index.ts';
import { makeOpenDirectory } from '../make-directory.ts';
import type { Snapshots } from '../snapshots/types.ts';
import type { EngineEnv, OpResult } from '../types.ts';
import { type CacheMount, type OpenCaches, openCaches } from './cache-mounts.ts';
import type { WorkingKind } from './namespace.ts';
import { openDevices } from './open-devices.ts';
import { openSshProxy, type SshProxy } from './ssh-proxy.ts';
import { subtreeItems } from './subtree-items.ts';
import type { MountType, StepFile, StepMount } from './types.ts';

/** What mounts are made from. */
export interface MountDeps {
  readonly env: EngineEnv;
  readonly snapshots: Snapshots;
  readonly kind: WorkingKind;
}

/** A step's mounts are opened in its own directory. */
export interface MountInput {
  readonly op: ExecOp;
  readonly inputs: readonly OpResult[];
  readonly base: FileTree;
  readonly directory: string;
}

/** Everything that the mounts of a step bring. */
export interface OpenMounts {
  readonly mounts: readonly StepMount[];
  readonly files: readonly StepFile[];
  /** `NAME=value` of secrets, and the address of the first agent. */
  readonly env: readonly string[];
  /** Groups that devices need. */
  readonly groups: readonly number[];
  close(): Promise<void>;
}

/**
 * Opens the mounts of a step.
 *
 * @throws BuildError `SOURCE_NOT_FOUND` for a bind source, `SECRET_MISSING`, `SSH_MISSING`, `DOCKERFILE_INVALID` for a target
 *   that is the root, and what snapshots and caches throw.
 */
export async function openMounts(deps: MountDeps, input: MountInput, context: RunContext): Promise<OpenMounts> {
  const caches = await openCacheMounts(deps, input, context);
  const proxies: SshProxy[] = [];
  const close = async (): Promise<void> => {
    await Promise.all([caches.open.release(), ...proxies.map((proxy) => proxy.close())]);
  };
  try {
    const opened: OpenMount[] = [];
    for (const [index, mount] of input.op.mounts.entries()) {
      const target = targetOf(mount, input.base);
      if (mount.kind === 'cache') opened.push(caches.of(mount, target));
      else opened.push(await openMount(deps, { ...input, mount, index, target, proxies }, context));
    }
    const { devices = [] } = input.op;
    const device = openDevices({ devices, base: input.base, directories: deps.env.cdiDirectories }, context);
    return {
      mounts: [...device.mounts, ...opened.flatMap((part) => part.mount ?? [])],
      files: opened.flatMap((part) => part.file ?? []),
      env: [...device.env, ...opened.flatMap((part) => part.env ?? [])],
      groups: device.groups,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface OpenMount {
  readonly mount?: StepMount;
  readonly file?: StepFile;
  readonly env?: string;
}

interface MountTask extends MountInput {
  readonly mount: Exclude<ExecMount, CacheMount>;
  readonly index: number;
  readonly target: BytePath;
  readonly proxies: SshProxy[];
}

/** Where a mount comes to lie: symlinks of the image are followed, so that none is left in the path. */
function targetOf(mount: ExecMount, base: FileTree): BytePath {
  const text = mount.kind === 'secret' ? secretTarget(mount) : mount.target;
  if (text === undefined) return '';
  const target = resolvePath(base, bytePathOf(text), { followLast: true });
  if (target !== '') return target;
  throw new BuildError('DOCKERFILE_INVALID', `A ${mount.kind} mount cannot replace the root directory.`, {
    hint: 'Give the mount a target below /.',
  });
}

type SecretMount = Extract<ExecMount, { readonly kind: 'secret' }>;

function secretTarget(mount: SecretMount): string | undefined {
  return mount.target ?? (mount.env === undefined ? `/run/secrets/${mount.id}` : undefined);
}

async function openMount(deps: MountDeps, task: MountTask, context: RunContext): Promise<OpenMount> {
  const { mount, target } = task;
  switch (mount.kind) {
    case 'bind':
      return { mount: await openBind(deps, { ...task, mount }, context) };
    case 'tmpfs':
      return {
        mount: { kind: 'tmpfs', target, ...(mount.sizeBytes === undefined ? {} : { sizeBytes: mount.sizeBytes }) },
      };
    case 'secret':
      return openSecret(deps, { mount, target });
    case 'ssh':
      return openSsh(deps, { ...task, mount });
  }
}

async function openBind(
  deps: MountDeps,
  task: MountTask & { readonly mount: Extract<ExecMount, { readonly kind: 'bind' }> },
  context: RunContext,
): Promise<StepMount> {
  const { mount, target } = task;
  const input = inputAt(task.inputs, mount.input);
  const tree = input.kind === 'tree' ? input.tree : await deps.env.layers.view(input.layers, context);
  const from = resolvePath(tree, bytePathOf(mount.source), { followLast: true });
  const type = typeOf(tree, from) ?? missingSource(mount.source, input);
  const common = { kind: 'overlay', type, target, readonly: mount.readonly } as const;
  if (input.kind === 'layers') {
    const stack = { layers: input.layers, lease: deps.env.lease };
    return { ...common, lowerDirs: await deps.snapshots.mountable(stack, context), subPath: from };
  }
  const directory = join(task.directory, `source${task.index}`);
  makeOpenDirectory(directory);
  const items = subtreeItems({ tree, from, as: 'source', ownerless: input.ownerless });
  await deps.snapshots.unpack(items, directory, context);
  return { ...common, lowerDirs: [directory], subPath: 'source' };
}

function typeOf(tree: FileTree, path: BytePath): MountType | undefined {
  const entry = tree.stat(path);
  if (entry === undefined) return undefined;
  return entry.type === 'directory' ? 'directory' : 'file';
}

function missingSource(source: string, input: OpResult): never {
  const path = source.replace(/^\/+/, '');
  const ignoredBy = input.kind === 'tree' ? input.ignoredBy?.(bytePathOf(path)) : undefined;
  const where = input.kind === 'tree' ? 'the context' : 'the image or stage that it is taken from';
  throw new BuildError('SOURCE_NOT_FOUND', `"${source}" cannot be mounted: it is not in ${where}.`, {
    facts: { path, ...(ignoredBy === undefined ? {} : { ignoredBy }) },
    hint:
      ignoredBy === undefined
        ? 'Check the source= of the mount; it is taken from the root of where the mount comes from.'
        : `${ignoredBy.fileName}:${ignoredBy.line} leaves it out ("${ignoredBy.pattern}").`,
  });
}

function inputAt(inputs: readonly OpResult[], index: number): OpResult {
  const input = inputs[index];
  if (input !== undefined) return input;
  throw new BuildError('INTERNAL', `An op refers to input ${index}, but has ${inputs.length}.`);
}

async function openSecret(
  { env }: MountDeps,
  { mount, target }: { readonly mount: SecretMount; readonly target: BytePath },
): Promise<OpenMount> {
  const found = await env.secrets(mount.id);
  if (found === undefined && mount.required) {
    throw new BuildError('SECRET_MISSING', `The secret "${mount.id}" was not given to this build.`, {
      facts: { id: mount.id },
      hint: `Give it with --secret id=${mount.id},src=FILE or --secret id=${mount.id},env=NAME, or drop required.`,
    });
  }
  const file = { target, mode: mount.mode, uid: mount.uid, gid: mount.gid, readonly: true };
  return {
    ...(found === undefined || target === '' ? {} : { file: { ...file, bytes: found } }),
    // Without the secret the variable is there and empty, as BuildKit has it.
    ...(mount.env === undefined ? {} : { env: `${mount.env}=${Buffer.from(found ?? '').toString('utf8')}` }),
  };
}

async function openSsh(
  deps: MountDeps,
  task: MountTask & { readonly mount: Extract<ExecMount, { readonly kind: 'ssh' }> },
): Promise<OpenMount> {
  const { mount, target, directory } = task;
  const agent = deps.env.sshAgents.get(mount.id);
  if (agent === undefined) {
    if (!mount.required) return {};
    throw new BuildError('SSH_MISSING', `No SSH agent with the id "${mount.id}" was given to this build.`, {
      facts: { id: mount.id },
      hint: `Give it with --ssh ${mount.id}${mount.id === 'default' ? '' : '=SOCKET'}, with an agent running.`,
    });
  }
  const { mode, uid, gid } = mount;
  const proxy = await openSshProxy(deps.kind, { agent, directory, name: `agent${task.index}`, mode, uid, gid });
  task.proxies.push(proxy);
  return {
    mount: { kind: 'bind', type: 'file', source: proxy.path, target, readonly: false },
    env: `SSH_AUTH_SOCK=/${textOfPath(target)}`,
  };
}

interface CacheMounts {
  readonly open: OpenCaches;
  of(mount: CacheMount, target: BytePath): OpenMount;
}

async function openCacheMounts(deps: MountDeps, input: MountInput, context: RunContext): Promise<CacheMounts> {
  const mounts = input.op.mounts.filter((mount) => mount.kind === 'cache');
  const { store, lease } = deps.env;
  const unpack = (items: Parameters<Snapshots['unpack']>[0], directory: string): Promise<void> =>
    deps.snapshots.unpack(items, directory, context);
  const wanted = mounts.map((mount) => ({ mount, seed: () => seedOf(deps, { ...input, mount }, context) }));
  const open = await openCaches(
    { store, lease, kind: deps.kind, travel: deps.env.cacheMounts, unpack },
    wanted,
    context,
  );
  return {
    open,
    of: (mount, target) => {
      const source = open.directories[mounts.indexOf(mount)] ?? '';
      return { mount: { kind: 'bind', type: 'directory', source, target, readonly: mount.readonly } };
    },
  };
}

async function seedOf(
  { env }: MountDeps,
  { mount, inputs }: MountInput & { readonly mount: CacheMount },
  context: RunContext,
): Promise<ReturnType<typeof subtreeItems> | undefined> {
  if (mount.input === undefined) return undefined;
  const input = inputAt(inputs, mount.input);
  const tree = input.kind === 'tree' ? input.tree : await env.layers.view(input.layers, context);
  const from = resolvePath(tree, bytePathOf(mount.source), { followLast: true });
  if (typeOf(tree, from) !== 'directory') missingSource(mount.source, input);
  return subtreeItems({ tree, from, as: '', ownerless: input.kind === 'tree' && input.ownerless });
}
