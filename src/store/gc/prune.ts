import type { Index } from '../../oci/index.ts';
import { type IndexFile, lockIndex, writeIndex } from '../index-file.ts';
import { readPins } from '../leases.ts';
import { withReserve } from '../reserve.ts';
import { guardAsync } from '../store-error.ts';
import type { StoreHome } from '../store-home.ts';
import { moveAside } from '../trash.ts';
import type { PruneOptions, PruneResult } from '../types.ts';
import { type Census, takeCensus, toItems } from './census.ts';
import { type PrunePlan, planPrune } from './plan-prune.ts';

/** What garbage collection works on. */
export interface PruneTarget {
  readonly home: StoreHome;
  readonly index: IndexFile;
}

/**
 * Collects garbage. Names only change, and victims only move, while the index lock is held; then all leases are read again,
 * and what a running build pinned meanwhile is put back. A build that finds something missing waits for the lock and looks
 * again, so it never loses what it pinned. Only then are files deleted.
 */
export async function prune({ home, index }: PruneTarget, options: PruneOptions): Promise<PruneResult> {
  const collect = (): Promise<PruneResult> =>
    guardAsync(`prune ${home.paths.root}`, () => collectGarbage({ home, index }, options));
  if (options.dryRun === true) return collect();
  try {
    return await withReserve(home, collect);
  } finally {
    home.rest();
  }
}

async function collectGarbage({ home, index }: PruneTarget, options: PruneOptions): Promise<PruneResult> {
  home.sweep();
  // Measures the large entries while nobody has to wait.
  takeCensus(home, index.read());
  const lock = await lockIndex(home);
  let result: PruneResult;
  try {
    const census = takeCensus(home, index.read());
    const plan = planPrune(census, options);
    result = toResult(census, options.dryRun === true ? plan : remove({ home, index }, plan));
  } finally {
    lock.release();
  }
  await home.settle();
  return result;
}

/** Gives what was really removed. */
function remove({ home, index }: PruneTarget, plan: PrunePlan): PrunePlan {
  if (plan.images.length > 0) writeIndex(home, withoutImages(index.read(), plan));
  const aside = moveAside(home, [
    ...plan.things.map(({ path }) => path),
    ...plan.records.map(({ record }) => record.path),
  ]);
  const pins = readPins(home);
  for (const thing of plan.things) if (pins.has(thing.pin)) aside.putBack(thing.path);
  aside.condemn();
  return { ...plan, things: plan.things.filter((thing) => !pins.has(thing.pin)) };
}

function withoutImages(index: Index, plan: PrunePlan): Index {
  const digests = new Set(plan.images.map((image) => image.id));
  return { ...index, manifests: index.manifests.filter((entry) => !digests.has(entry.digest)) };
}

function toResult(census: Census, plan: PrunePlan): PruneResult {
  const removed = toItems(census, plan);
  return { removed, freedBytes: removed.reduce((sum, item) => sum + item.sizeBytes, 0) };
}
