import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Entry, FileTree, LayerItem } from '../../archive/index.ts';
import type { RunContext } from '../../core/index.ts';
import type { ExecMount, ExecOp } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import { type Lease, openStore, type Store } from '../../store/index.ts';
import { storeLayer } from '../files/store-layer.ts';
import { createLayerAccess } from '../layers.ts';
import { createSnapshots, type Snapshots } from '../snapshots/create-snapshots.ts';
import type { EngineEnv, LayerAccess, OpResult } from '../types.ts';
import { createExecutor, type ExecutorOptions } from './create-executor.ts';
import { removeTree } from './file-work.ts';
import { runExec } from './run-exec.ts';
import { quietContext } from './step-bench.fixture.ts';
import type { Executor } from './types.ts';

/** A store with an engine for tests of whole RUN steps. */
export interface EngineBench {
  readonly store: Store;
  readonly lease: Lease;
  readonly env: EngineEnv;
  readonly layers: LayerAccess;
  readonly executor: Executor;
  readonly snapshots: Snapshots;
  /** Layers of a small root with busybox, /etc/passwd and /etc/group. */
  readonly base: readonly LayerRef[];
  layer(items: Iterable<LayerItem>): Promise<LayerRef>;
  /** Runs `/bin/sh -c script`; `input` gives what differs from a plain RUN. */
  run(script: string, input?: BenchRun): Promise<BenchStep>;
  view(layers: readonly LayerRef[]): Promise<FileTree>;
  close(): Promise<void>;
}

export interface BenchRun {
  readonly base?: readonly LayerRef[];
  readonly op?: Partial<ExecOp>;
  readonly mounts?: readonly ExecMount[];
  /** Inputs after the base. */
  readonly inputs?: readonly OpResult[];
  readonly env?: Partial<EngineEnv>;
  readonly context?: RunContext;
}

export interface BenchStep {
  readonly layer: LayerRef;
  readonly layers: readonly LayerRef[];
  readonly stdout: string;
  readonly stderr: string;
  /** Everything that the layer itself holds, whiteouts as `.wh.` names. */
  readonly names: readonly string[];
}

export const APPLETS =
  'sh ls cat echo id env mount umount ps kill sleep touch mkdir rm rmdir ln stat chown chmod find hostname ip true false setsid readlink head wc od grep mknod dd test mv cp su seq printenv tail sed awk tr date sysctl nc mkfifo sort';

export async function openEngineBench(means?: ExecutorOptions['means']): Promise<EngineBench> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'zlayer-engine-')));
  chmodSync(root, 0o700);
  const store = await openStore({ root: join(root, 'store'), removeTree });
  const lease = await store.openLease();
  const layers = createLayerAccess({ store, lease, fetchLayer: () => Promise.reject(new Error('nothing to fetch')) });
  const env: EngineEnv = {
    store,
    lease,
    layers,
    secrets: () => Promise.resolve(undefined),
    sshAgents: new Map(),
    clockSeconds: 1_700_000_000,
  };
  const stateDir = join(store.root, 'engine');
  const makeTempDir: ExecutorOptions['makeTempDir'] = (prefix) => store.makeTempDir(prefix);
  const executor = await createExecutor(
    { stateDir, makeTempDir, ...(means === undefined ? {} : { means }) },
    quietContext,
  );
  const snapshots = createSnapshots({ store, layers, executor });
  const layer = (items: Iterable<LayerItem>): Promise<LayerRef> => storeLayer(env, items, quietContext);
  const base = [await layer(busyboxItems())];
  return {
    store,
    lease,
    env,
    layers,
    executor,
    snapshots,
    base,
    layer,
    view: (stack) => layers.view(stack, quietContext),
    run: (script, input = {}) => runOnce({ env, executor, snapshots, base }, script, input),
    close: async () => {
      await snapshots.close();
      await lease.release();
      await removeTree(root);
    },
  };
}

async function runOnce(
  bench: Pick<EngineBench, 'env' | 'executor' | 'snapshots' | 'base'>,
  script: string,
  input: BenchRun,
): Promise<BenchStep> {
  const base = input.base ?? bench.base;
  const output = { stdout: '', stderr: '' };
  const env = { ...bench.env, ...input.env };
  const op: ExecOp = {
    kind: 'exec',
    base: 0,
    args: ['/bin/sh', '-c', script],
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    proxyEnv: [],
    cwd: '/',
    mounts: input.mounts ?? [],
    network: 'default',
    security: 'sandbox',
    hostname: 'buildkitsandbox',
    extraHosts: [],
    ulimits: [],
    platform: 'linux/amd64',
    ...input.op,
  };
  const inputs: readonly OpResult[] = [{ kind: 'layers', layers: base }, ...(input.inputs ?? [])];
  const onOutput = (stream: 'stdout' | 'stderr', bytes: Uint8Array): void => {
    output[stream] += Buffer.from(bytes).toString('utf8');
  };
  const context = input.context ?? quietContext;
  const layer = await runExec(
    { env, executor: bench.executor, snapshots: bench.snapshots },
    { op, inputs, vertex: 'v', onOutput },
    context,
  );
  const tarPath = await env.layers.tarPath(layer, context);
  return { layer, layers: [...base, layer], ...output, names: namesOfTar(readFileSync(tarPath)) };
}

/** Names of a tar's members; long enough names to need PAX do not occur here. */
function namesOfTar(bytes: Buffer): readonly string[] {
  const names: string[] = [];
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const name = bytes.toString('utf8', at, bytes.indexOf(0, at));
    const size = Number.parseInt(bytes.toString('latin1', at + 124, at + 135), 8) || 0;
    if (bytes[at + 156] !== 0x78) names.push(name);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return names;
}

const BUSYBOX = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path)) ?? '/bin/busybox';

export function fileItem(path: string, text: string, entry: Partial<Entry> = {}): LayerItem {
  const bytes = Buffer.from(text);
  return {
    entry: { path, type: 'file', mode: 0o644, uid: 0, gid: 0, sizeBytes: bytes.length, mtime: 1_600_000_000, ...entry },
    content: { kind: 'bytes', bytes },
  };
}

export function directoryItem(path: string, entry: Partial<Entry> = {}): LayerItem {
  return {
    entry: { path, type: 'directory', mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtime: 1_600_000_000, ...entry },
  };
}

export function linkItem(path: string, linkTarget: string, type: 'symlink' | 'hardlink' = 'symlink'): LayerItem {
  return { entry: { path, type, mode: 0o777, uid: 0, gid: 0, sizeBytes: 0, mtime: 1_600_000_000, linkTarget } };
}

function* busyboxItems(): Generator<LayerItem> {
  const bytes = readFileSync(BUSYBOX);
  yield directoryItem('bin');
  yield {
    entry: {
      path: 'bin/busybox',
      type: 'file',
      mode: 0o4755,
      uid: 0,
      gid: 0,
      sizeBytes: bytes.length,
      mtime: 1_600_000_000,
    },
    content: { kind: 'bytes', bytes },
  };
  for (const name of APPLETS.split(' ')) yield linkItem(`bin/${name}`, 'busybox');
  yield directoryItem('tmp', { mode: 0o1777 });
  yield directoryItem('etc');
  yield fileItem('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\n');
  yield fileItem('etc/group', 'root:x:0:\nbin:x:1:root\napp:x:1001:\nmedia:x:44:app\nvideo:x:45:app\n');
}
