import { lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type FileTree, type LayerEntry, layerEntriesOf } from '../../archive/index.ts';
import type { RunContext } from '../../core/index.ts';
import { removeTree } from '../exec/file-work.ts';
import type { WorkingKind } from '../exec/namespace.ts';
import { makeOpenDirectory } from '../make-directory.ts';
import { commitLayer } from './commit-layer.ts';
import { isSettable, withAttributes } from './overlay-form.ts';
import { type SnapshotContext, snapshotKey } from './snapshot-context.ts';
import { extractTar, feedItems } from './tar-process.ts';
import { changesOfTree } from './tree-changes.ts';
import type { ActiveSnapshot, LayerStack, Snapshots } from './types.ts';

/** Trees that wait for a next step: one for each branch of a build that is worked on, more or less. */
const MAX_WAITING = 4;

/**
 * Snapshots for a store whose file system takes no overlay, such as that of a container's root: a step works on a copy of all
 * its layers, and what it changed is found by the status times, which no program can set (the way of kaniko, without its
 * root). The tree of a step that ended is handed to the next step on that chain; nothing is kept beyond the process.
 */
export function createCopiedSnapshots(deps: SnapshotContext): Snapshots {
  const waiting = new Map<string, ActiveSnapshot>();
  const readable = new Map<string, Promise<ActiveSnapshot>>();
  const keep = async (key: string, tree: ActiveSnapshot): Promise<void> => {
    const replaced = waiting.get(key);
    waiting.delete(key);
    waiting.set(key, tree);
    const [oldest] = waiting.size > MAX_WAITING ? waiting : [];
    if (oldest !== undefined) waiting.delete(oldest[0]);
    for (const each of [replaced, oldest?.[1]]) if (each !== undefined) await discard(each);
  };
  return {
    mountable: async (stack, context) => {
      const key = snapshotKey(stack.layers);
      const known = readable.get(key);
      const tree = known ?? unpackTree(deps, stack, context);
      if (known === undefined) {
        readable.set(key, tree);
        tree.catch(() => readable.delete(key));
      }
      return [(await tree).upperDir];
    },
    prepare: async (stack, context) => {
      const key = snapshotKey(stack.layers);
      const left = waiting.get(key);
      waiting.delete(key);
      const tree = left ?? (await unpackTree(deps, stack, context));
      await markNow(tree);
      return tree;
    },
    commit: async ({ active, parents, clampMtime, madePaths = [] }, context) => {
      try {
        const view = await deps.layers.view(parents.layers, context);
        const place = { kind: deps.kind, directory: active.upperDir, sinceNs: markOf(active), madePaths };
        const changes = changesOfTree(place, view, context.signal);
        const layer = await commitLayer(deps.store, { changes, clampMtime, lease: parents.lease }, context);
        // Times that the layer has not would be seen by the next step.
        if (clampMtime === undefined) await keep(snapshotKey([...parents.layers, layer]), active);
        else await discard(active);
        return layer;
      } catch (error) {
        await discard(active);
        throw error;
      }
    },
    discard,
    unpack: (items, directory, context) =>
      extractTar({ kind: deps.kind, directory }, (feed) => feedItems(items, feed), context.signal),
    close: async () => {
      for (const tree of waiting.values()) await discard(tree);
      for (const tree of await Promise.allSettled(readable.values())) {
        if (tree.status === 'fulfilled') await discard(tree.value);
      }
      waiting.clear();
      readable.clear();
    },
  };
}

async function unpackTree(deps: SnapshotContext, stack: LayerStack, context: RunContext): Promise<ActiveSnapshot> {
  const view = await deps.layers.view(stack.layers, context);
  const dir = await deps.store.makeTempDir('step');
  const upperDir = join(dir, 'tree');
  const tree = { dir, lowerDirs: [], upperDir, workDir: join(dir, 'work') };
  try {
    makeOpenDirectory(upperDir);
    await extractTar(
      { kind: deps.kind, directory: upperDir },
      (feed) => feedItems(itemsFor(deps.kind, view), feed),
      context.signal,
    );
    return tree;
  } catch (error) {
    await discard(tree);
    throw error;
  }
}

/** What of a tree can be made here: only real root makes devices. */
function* itemsFor(kind: WorkingKind, view: FileTree): Generator<LayerEntry> {
  const devices = new Set<string>();
  for (const item of layerEntriesOf(view)) {
    const { type, path, linkTarget = '' } = item.entry;
    if (kind !== 'root' && (type === 'char' || type === 'block' || (type === 'hardlink' && devices.has(linkTarget)))) {
      devices.add(path);
      continue;
    }
    yield { ...item, entry: withAttributes(item.entry, (name) => isSettable(kind, name)) };
  }
}

/** Marks the time, and lets the file system's clock go on: what is changed afterwards is later than the mark. */
async function markNow(tree: ActiveSnapshot): Promise<void> {
  writeFileSync(markPath(tree), 'x');
  const clock = join(tree.dir, 'clock');
  const now = markOf(tree);
  do {
    writeFileSync(clock, 'x');
    // It ticks some hundred times in a second.
    await setImmediate();
  } while (statusNs(clock) <= now);
}

/** Nanoseconds. */
function markOf(tree: ActiveSnapshot): bigint {
  return statusNs(markPath(tree));
}

function markPath({ dir }: ActiveSnapshot): string {
  return join(dir, 'mark');
}

function statusNs(path: string): bigint {
  return lstatSync(path, { bigint: true }).ctimeNs;
}

async function discard({ dir }: ActiveSnapshot): Promise<void> {
  await removeTree(dir);
}
