import { createReadStream, lstatSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLayerWriter, encodeToc, readTar, type WrittenLayer } from '../../archive/index.ts';
import { type BlobId, chainIdOf, digestHex, type RunContext, throwIfCancelled } from '../../core/index.ts';
import { type LayerRef, MEDIA_TYPES } from '../../oci/index.ts';
import type { Store } from '../../store/index.ts';
import { removeTree, removeWorkDir } from '../exec/file-work.ts';
import { isWorkingKind, type WorkingKind } from '../exec/namespace.ts';
import { isolationMissing } from '../exec/probe.ts';
import type { Executor } from '../exec/types.ts';
import { makeOpenDirectory } from '../make-directory.ts';
import type { LayerAccess } from '../types.ts';
import { fromOverlayForm } from './from-overlay-form.ts';
import { archiveDirectory, extractTar, feedItems, type TarFeed } from './tar-process.ts';
import { type OverlayEntry, toOverlayForm } from './to-overlay-form.ts';
import type { ActiveSnapshot, LayerStack, Snapshots } from './types.ts';

export type { ActiveSnapshot, LayerStack, Snapshots } from './types.ts';

/** What snapshots are made from. */
export interface SnapshotDeps {
  readonly store: Store;
  readonly layers: LayerAccess;
  /** Says in which way files are owned here. */
  readonly executor: Pick<Executor, 'probe'>;
}

/** Snapshots in the area `snapshots` of a store, one entry for each chain ID. */
export function createSnapshots(deps: SnapshotDeps): Snapshots {
  const unpacking = new Map<string, Promise<string>>();
  return {
    mountable: async (stack, context) => {
      const kind = workingKind(deps);
      const directories: string[] = [];
      for (const [index] of stack.layers.entries()) {
        const part = { layers: stack.layers.slice(0, index + 1), lease: stack.lease };
        directories.push(await shared(unpacking, keyOf(part.layers), () => provide({ ...deps, kind }, part, context)));
      }
      return directories;
    },
    prepare: async () => {
      workingKind(deps);
      const dir = await deps.store.makeTempDir('step');
      const active = { dir, upperDir: join(dir, 'entry', 'fs'), workDir: join(dir, 'work') };
      // Its mode is that of the step's root.
      makeOpenDirectory(active.upperDir);
      mkdirSync(active.workDir);
      return active;
    },
    commit: async ({ active, parents, clampMtime }, context) => {
      try {
        return await commit({ ...deps, kind: workingKind(deps) }, { active, parents, clampMtime }, context);
      } finally {
        await discard(active);
      }
    },
    discard,
    unpack: (items, directory, context) =>
      extractTar({ kind: workingKind(deps), directory }, (feed) => feedItems(items, feed), context.signal),
  };
}

interface WorkingDeps extends SnapshotDeps {
  readonly kind: WorkingKind;
}

function workingKind({ executor }: SnapshotDeps): WorkingKind {
  const { kind } = executor.probe;
  if (isWorkingKind(kind)) return kind;
  throw isolationMissing(executor.probe);
}

function keyOf(layers: readonly LayerRef[]): string {
  return digestHex(chainIdOf(layers.map((layer) => layer.diffId)) ?? 'sha256:');
}

/** Lets callers in this process wait for one run; other processes are kept apart by the store. */
function shared(running: Map<string, Promise<string>>, key: string, run: () => Promise<string>): Promise<string> {
  const known = running.get(key);
  if (known !== undefined) return known;
  const started = run().finally(() => running.delete(key));
  running.set(key, started);
  return started;
}

/**
 * Inside an entry the files lie in a directory named for the way in which they are owned and marked: what root unpacked
 * means something else in a user namespace.
 */
const DIRECTORY_NAMES: Readonly<Record<WorkingKind, string>> = { root: 'fs', userns: 'fs-userns' };

/** The directory of the top layer of a stack, unpacked if it is missing. */
async function provide(deps: WorkingDeps, stack: LayerStack, context: RunContext): Promise<string> {
  const area = deps.store.area('snapshots');
  const key = keyOf(stack.layers);
  const directory = join(area.path(key), DIRECTORY_NAMES[deps.kind]);
  const present = await stack.lease.pinEntry('snapshots', key);
  if (present && lstatSync(directory, { throwIfNoEntry: false }) !== undefined) return directory;
  if (present) await area.remove(key);
  await area.create(key, async (path) => {
    const target = join(path, DIRECTORY_NAMES[deps.kind]);
    makeOpenDirectory(target);
    await unpackLayer(deps, { stack, target }, context);
  });
  await stack.lease.pinEntry('snapshots', key);
  return directory;
}

async function unpackLayer(
  deps: WorkingDeps,
  { stack, target }: { readonly stack: LayerStack; readonly target: string },
  context: RunContext,
): Promise<void> {
  const top = stack.layers.at(-1) as LayerRef;
  const [tarPath, lower, merged] = await Promise.all([
    deps.layers.tarPath(top, context),
    deps.layers.view(stack.layers.slice(0, -1), context),
    deps.layers.view(stack.layers, context),
  ]);
  const members = readTar(createReadStream(tarPath, { highWaterMark: 1 << 20 }));
  const copy = async (feed: TarFeed): Promise<void> => {
    for await (const item of toOverlayForm(members, { kind: deps.kind, lower, merged })) {
      if (item.copyFrom === undefined) await feedMember(item, feed);
      else if (item.entry.sizeBytes === 0) feed.writer.add({ entry: item.entry });
      else feed.writer.add({ entry: item.entry, content: merged.content(item.copyFrom) });
      await feed.drained();
    }
  };
  await extractTar({ kind: deps.kind, directory: target }, copy, context.signal);
}

async function feedMember({ entry, member }: OverlayEntry, { writer, drained }: TarFeed): Promise<void> {
  if (entry.type !== 'file' || member === undefined) {
    writer.add({ entry });
    return;
  }
  writer.begin(entry);
  const whole = member.takeBuffered();
  if (whole !== undefined) writer.append(whole);
  for await (const chunk of member.body) {
    writer.append(chunk);
    await drained();
  }
}

interface Commit {
  readonly active: ActiveSnapshot;
  readonly parents: LayerStack;
  readonly clampMtime: number | undefined;
}

async function commit(deps: WorkingDeps, input: Commit, context: RunContext): Promise<LayerRef> {
  const { store } = deps;
  const { layers, lease } = input.parents;
  const ingest = await store.blobs.ingest();
  let written: WrittenLayer;
  try {
    written = await writeChanges(deps, { ...input, sink: ingest }, context);
  } catch (error) {
    await ingest.abort();
    throw error;
  }
  const blob: BlobId = await ingest.commit();
  const tocKey = digestHex(blob.digest);
  const layer = {
    diffId: blob.digest,
    blob: { mediaType: MEDIA_TYPES.ociLayer, digest: blob.digest, size: blob.sizeBytes },
  };
  await Promise.all([
    store.area('tocs').create(tocKey, (path) => writeFile(path, encodeToc(written.toc))),
    keepDirectory(deps, input, [...layers, layer]),
  ]);
  await Promise.all([lease.pinBlob(blob), lease.pinEntry('tocs', tocKey)]);
  return layer;
}

/** The directory with the changes becomes the snapshot of the new chain, unless its times differ from the layer's. */
async function keepDirectory(
  deps: WorkingDeps,
  { active, parents, clampMtime }: Commit,
  layers: readonly LayerRef[],
): Promise<void> {
  if (clampMtime !== undefined) return;
  const key = keyOf(layers);
  const entry = join(active.dir, 'entry');
  renameSync(active.upperDir, join(entry, DIRECTORY_NAMES[deps.kind]));
  await deps.store.area('snapshots').create(key, async (path) => renameSync(entry, path));
  await parents.lease.pinEntry('snapshots', key);
}

async function writeChanges(
  deps: WorkingDeps,
  { active, parents, clampMtime, sink }: Commit & { readonly sink: { write(bytes: Uint8Array): void } },
  context: RunContext,
): Promise<WrittenLayer> {
  const writer = createLayerWriter(sink, { clampMtime });
  try {
    if (!isEmpty(active.upperDir)) {
      const view = await deps.layers.view(parents.layers, context);
      const archive = archiveDirectory({ kind: deps.kind, directory: active.upperDir }, context.signal);
      for await (const item of fromOverlayForm(readTar(archive), view)) {
        throwIfCancelled(context.signal);
        if ('whiteout' in item) writer.add(item);
        else await feedMember(item, { writer, drained: () => Promise.resolve() });
      }
    }
    return writer.finish();
  } finally {
    writer.close();
  }
}

function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch {
    // The step closed its root for everybody: tar will look.
    return false;
  }
}

async function discard(active: ActiveSnapshot): Promise<void> {
  removeWorkDir(active.workDir);
  await removeTree(active.dir);
}
