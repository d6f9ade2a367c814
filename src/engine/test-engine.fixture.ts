import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type Entry, type FileTree, type LayerItem, treeFromEntries, walkTree } from '../archive/index.ts';
import { type BuildEvent, bytePathOf, type RunContext } from '../core/index.ts';
import type { CopyOp, CopySource } from '../graph/index.ts';
import type { LayerRef } from '../oci/index.ts';
import { openStore, type Store } from '../store/index.ts';
import { runCopy } from './files/run-copy.ts';
import { storeLayer } from './files/store-layer.ts';
import { createLayerAccess } from './layers.ts';
import type { EngineEnv, OpResult, TreeResult } from './types.ts';

/** An engine over a store of its own, as an ordinary user has it. */
export interface TestEngine extends AsyncDisposable {
  readonly env: EngineEnv;
  readonly context: RunContext;
  readonly events: readonly BuildEvent[];
  /** A temporary directory that goes with the engine. */
  readonly directory: string;
  layer(items: readonly LayerItem[]): Promise<LayerRef>;
  copy(op: Partial<CopyOp> & Pick<CopyOp, 'sources' | 'destination'>, inputs: readonly OpResult[]): Promise<FileTree>;
  /** What a copy put into its layer alone. */
  copyLayer(
    op: Partial<CopyOp> & Pick<CopyOp, 'sources' | 'destination'>,
    inputs: readonly OpResult[],
  ): Promise<FileTree>;
  view(layers: readonly LayerRef[]): Promise<FileTree>;
}

export const CLOCK = 1_700_000_000;

let shared: Promise<Store> | undefined;

/** One store for all tests of a file: opening one costs more than most tests. */
function sharedStore(): Promise<Store> {
  shared ??= openTemporaryStore();
  return shared;
}

async function openTemporaryStore(): Promise<Store> {
  const root = mkdtempSync(join(tmpdir(), 'zlayer-engine-'));
  return openStore({ root });
}

afterAll(async () => {
  if (shared !== undefined) rmSync((await shared).root, { recursive: true, force: true });
});

export async function createTestEngine(options: Partial<EngineEnv> = {}): Promise<TestEngine> {
  const store = await sharedStore();
  const lease = await store.openLease();
  const directory = await store.makeTempDir('test-');
  const events: BuildEvent[] = [];
  const context: RunContext = { signal: new AbortController().signal, emit: (event) => void events.push(event) };
  const layers = createLayerAccess({
    store,
    lease,
    fetchLayer: () => Promise.reject(new Error('no registry in this test')),
  });
  const env: EngineEnv = {
    store,
    lease,
    layers,
    secrets: () => Promise.resolve(undefined),
    sshAgents: new Map(),
    clockSeconds: CLOCK,
    ...options,
  };
  const run = (
    op: Partial<CopyOp> & Pick<CopyOp, 'sources' | 'destination'>,
    inputs: readonly OpResult[],
  ): Promise<LayerRef> => runCopy({ env }, { op: copyOp(op), inputs }, context);
  return {
    env,
    context,
    events,
    directory,
    layer: (items) => storeLayer(env, items, context),
    view: (refs) => layers.view(refs, context),
    copy: async (op, inputs) => {
      const layer = await run(op, inputs);
      const base = op.base === undefined ? undefined : inputs[op.base];
      return layers.view([...(base?.kind === 'layers' ? base.layers : []), layer], context);
    },
    copyLayer: async (op, inputs) => layers.view([await run(op, inputs)], context),
    [Symbol.asyncDispose]: async () => {
      await lease.release();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A copy with the flags of a plain `COPY`. */
export function copyOp(op: Partial<CopyOp> & Pick<CopyOp, 'sources' | 'destination'>): CopyOp {
  return { kind: 'copy', parents: false, exclude: [], ...op };
}

/** A source of a local context at input `input`. */
export function from(path: string, input = 0, more: Partial<Extract<CopySource, { kind: 'input' }>> = {}): CopySource {
  return { kind: 'input', input, path, unpack: 'never', ownerless: true, mustMatch: false, ...more };
}

/** A source of a stage: owners are kept. */
export function fromStage(path: string, input = 0): CopySource {
  return from(path, input, { ownerless: false });
}

/** An entry with unremarkable metadata. */
export function entry(path: string, more: Partial<Entry> = {}): Entry {
  const type = more.type ?? 'file';
  const mode = type === 'directory' ? 0o755 : 0o644;
  return { path: bytePathOf(path), type, mode, uid: 0, gid: 0, sizeBytes: 0, mtime: 1_600_000_000, ...more };
}

/** A file with content. */
export function file(path: string, text = '', more: Partial<Entry> = {}): LayerItem & { entry: Entry } {
  const bytes = Buffer.from(text);
  const made = entry(path, { sizeBytes: bytes.length, ...more });
  return bytes.length === 0 ? { entry: made } : { entry: made, content: { kind: 'bytes', bytes } };
}

export function directory(path: string, more: Partial<Entry> = {}): { entry: Entry } {
  return { entry: entry(path, { type: 'directory', ...more }) };
}

export function symlink(path: string, linkTarget: string): { entry: Entry } {
  return { entry: entry(path, { type: 'symlink', mode: 0o777, linkTarget }) };
}

/** A local context in memory. */
export function contextOf(items: Iterable<{ entry: Entry }>): TreeResult {
  return { kind: 'tree', tree: treeFromEntries(items), ownerless: true };
}

/** Every path of a tree with its type letter, mode and owner: `d755 0:0 etc`. */
export function listing(tree: FileTree): readonly string[] {
  return [...walkTree(tree)]
    .filter(({ path }) => path !== '')
    .map(({ path, type, mode, uid, gid, linkTarget }) => {
      const link = type === 'symlink' ? ` -> ${linkTarget}` : '';
      return `${type === 'file' ? '-' : type[0]}${mode.toString(8)} ${uid}:${gid} ${path}${link}`;
    });
}
