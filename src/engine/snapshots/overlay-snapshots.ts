import { createReadStream, lstatSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { readTar } from '../../archive/index.ts';
import type { RunContext } from '../../core/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import { removeTree, removeWorkDir } from '../exec/file-work.ts';
import type { WorkingKind } from '../exec/namespace.ts';
import { makeOpenDirectory } from '../make-directory.ts';
import { commitLayer } from './commit-layer.ts';
import { feedMember } from './feed-member.ts';
import { type ChangedItem, fromOverlayForm } from './from-overlay-form.ts';
import { type SnapshotContext, snapshotKey } from './snapshot-context.ts';
import { archiveDirectory, extractTar, feedItems, type TarFeed } from './tar-process.ts';
import { toOverlayForm } from './to-overlay-form.ts';
import type { ActiveSnapshot, LayerStack, Snapshots } from './types.ts';

/** Snapshots in the area `snapshots` of a store, one entry for each chain ID, that overlayfs stacks. */
export function createOverlaySnapshots(deps: SnapshotContext): Snapshots {
  const unpacking = new Map<string, Promise<string>>();
  const mountable: Snapshots['mountable'] = async (stack, context) => {
    const directories: string[] = [];
    for (const [index] of stack.layers.entries()) {
      const part = { layers: stack.layers.slice(0, index + 1), lease: stack.lease };
      directories.push(await shared(unpacking, snapshotKey(part.layers), () => provide(deps, part, context)));
    }
    return directories;
  };
  return {
    mountable,
    prepare: async (stack, context) => {
      const lowerDirs = await mountable(stack, context);
      const dir = await deps.store.makeTempDir('step');
      const active = { dir, lowerDirs, upperDir: join(dir, 'entry', 'fs'), workDir: join(dir, 'work') };
      // Its mode is that of the step's root.
      makeOpenDirectory(active.upperDir);
      mkdirSync(active.workDir);
      return active;
    },
    commit: async (input, context) => {
      try {
        return await commit(deps, input, context);
      } finally {
        await discard(input.active);
      }
    },
    discard,
    unpack: (items, directory, context) =>
      extractTar({ kind: deps.kind, directory }, (feed) => feedItems(items, feed), context.signal),
    close: () => Promise.resolve(),
  };
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
async function provide(deps: SnapshotContext, stack: LayerStack, context: RunContext): Promise<string> {
  const area = deps.store.area('snapshots');
  const key = snapshotKey(stack.layers);
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
  deps: SnapshotContext,
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

type Commit = Parameters<Snapshots['commit']>[0];

async function commit(
  deps: SnapshotContext,
  { active, parents, clampMtime }: Commit,
  context: RunContext,
): Promise<LayerRef> {
  const changes = changesOf(deps, { active, parents }, context);
  const layer = await commitLayer(deps.store, { changes, clampMtime, lease: parents.lease }, context);
  // The directory becomes the snapshot of the new chain, unless its times differ from the layer's.
  if (clampMtime === undefined) await keepDirectory(deps, { active, parents }, [...parents.layers, layer]);
  return layer;
}

async function keepDirectory(
  deps: SnapshotContext,
  { active, parents }: Pick<Commit, 'active' | 'parents'>,
  layers: readonly LayerRef[],
): Promise<void> {
  const key = snapshotKey(layers);
  const entry = join(active.dir, 'entry');
  renameSync(active.upperDir, join(entry, DIRECTORY_NAMES[deps.kind]));
  await deps.store.area('snapshots').create(key, async (path) => renameSync(entry, path));
  await parents.lease.pinEntry('snapshots', key);
}

async function* changesOf(
  deps: SnapshotContext,
  { active, parents }: Pick<Commit, 'active' | 'parents'>,
  context: RunContext,
): AsyncGenerator<ChangedItem, void, undefined> {
  if (isEmpty(active.upperDir)) return;
  const view = await deps.layers.view(parents.layers, context);
  const archive = archiveDirectory({ kind: deps.kind, directory: active.upperDir }, context.signal);
  yield* fromOverlayForm(readTar(archive), view);
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
