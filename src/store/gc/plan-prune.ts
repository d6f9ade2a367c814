import type { Pin } from '../leases.ts';
import type { PruneOptions, UsageItem } from '../types.ts';
import { type Census, kindOf } from './census.ts';
import type { ImageHolder, RecordHolder } from './holders.ts';
import type { Thing } from './inventory.ts';
import { countNeeds, type Needs } from './needs.ts';

/** What a prune removes. */
export interface PrunePlan {
  readonly things: readonly Thing[];
  readonly images: readonly ImageHolder[];
  readonly records: readonly RecordHolder[];
}

/**
 * Decides what goes: first what nothing needs (with `all`, nameless images and the build cache too), then what was least
 * recently used until the store is small enough. Named images and what leases pin never go.
 */
export function planPrune(census: Census, options: PruneOptions): PrunePlan {
  const removal = createRemoval(census, countNeeds(census), options);
  const choice: Choice = { census, removal, mayGo: chooser(options) };
  for (const record of census.records) if (isBroken(census, record)) removal.drop(record);
  if (options.all === true) dropCache(choice);
  removeUnneeded(choice, options.all === true);
  if (options.maxUsedBytes !== undefined) shrinkTo(choice, options.maxUsedBytes);
  return removal.plan();
}

interface Choice {
  readonly census: Census;
  readonly removal: Removal;
  /** Whether the options allow that something of this kind and last use is chosen. */
  readonly mayGo: (kind: UsageItem['kind'], lastUsedMs: number) => boolean;
}

function chooser({ kinds, unusedSinceMs = Number.POSITIVE_INFINITY }: PruneOptions): Choice['mayGo'] {
  return (kind, lastUsedMs) => (kinds === undefined || kinds.includes(kind)) && lastUsedMs <= unusedSinceMs;
}

function dropCache({ census, removal, mayGo }: Choice): void {
  for (const image of census.images)
    if (isNameless(census, image) && mayGo('image', image.updatedMs)) removal.drop(image);
  for (const holder of census.records) if (mayGo('record', holder.record.lastUsedMs)) removal.drop(holder);
}

function removeUnneeded(choice: Choice, all: boolean): void {
  const { census, removal } = choice;
  for (const thing of census.inventory.things.values()) {
    const need = removal.needOf(thing.pin);
    if ((need === 'none' || (all && need === 'derived')) && isRemovable(choice, thing)) removal.evict(thing);
  }
}

function shrinkTo(choice: Choice, maxUsedBytes: number): void {
  const { census, removal, mayGo } = choice;
  const things = [...census.inventory.things.values()].map((thing) => ({
    usedMs: census.lastUsedMs.get(thing.pin) ?? 0,
    remove: () => {
      if (removal.needOf(thing.pin) !== 'image' && isRemovable(choice, thing)) removal.evict(thing);
    },
  }));
  const images = census.images
    .filter((image) => isNameless(census, image) && mayGo('image', image.updatedMs))
    .map((image) => ({ usedMs: image.updatedMs, remove: () => removal.drop(image) }));
  const records = census.records
    .filter(({ record }) => mayGo('record', record.lastUsedMs))
    .map((holder) => ({ usedMs: holder.record.lastUsedMs, remove: () => removal.drop(holder) }));
  const oldestFirst = (a: { usedMs: number }, b: { usedMs: number }): number => a.usedMs - b.usedMs;
  // Records go with their layers; alone they free next to nothing, so they come last.
  for (const candidate of [...[...things, ...images].sort(oldestFirst), ...records.sort(oldestFirst)]) {
    if (removal.leftBytes() <= maxUsedBytes) return;
    candidate.remove();
  }
}

function isRemovable({ census, mayGo }: Choice, thing: Thing): boolean {
  return !census.kept.has(thing.pin) && mayGo(kindOf(census, thing), census.lastUsedMs.get(thing.pin) ?? 0);
}

function isNameless(census: Census, image: ImageHolder): boolean {
  return !image.named && !census.pins.has(image.pin);
}

function isBroken(census: Census, holder: RecordHolder): boolean {
  return [...holder.required].some((pin) => !census.inventory.things.has(pin));
}

/** What was chosen so far, with all that follows from it. */
interface Removal {
  /** Removes a blob or entry, and the records that are worth nothing without it. */
  evict(thing: Thing): void;
  /** Removes an image or record, and what it alone needed. */
  drop(holder: ImageHolder | RecordHolder): void;
  needOf(pin: Pin): ReturnType<Needs['of']>;
  leftBytes(): number;
  plan(): PrunePlan;
}

function createRemoval(census: Census, needs: Needs, options: PruneOptions): Removal {
  const { things } = census.inventory;
  const gone = new Set<Thing>();
  const dropped = new Set<ImageHolder | RecordHolder>();
  const dependents = recordsByLayer(census.records);
  let leftBytes = 0;
  for (const thing of things.values()) leftBytes += thing.sizeBytes;
  for (const { record } of census.records) leftBytes += record.sizeBytes;

  const evict = (thing: Thing): void => {
    if (gone.has(thing)) return;
    gone.add(thing);
    leftBytes -= thing.sizeBytes;
    for (const record of dependents.get(thing.pin) ?? []) drop(record);
  };
  const isYoung = (pin: Pin): boolean =>
    options.unusedSinceMs !== undefined && (census.lastUsedMs.get(pin) ?? 0) > options.unusedSinceMs;
  const drop = (holder: ImageHolder | RecordHolder): void => {
    if (dropped.has(holder)) return;
    dropped.add(holder);
    if (holder.kind === 'record') leftBytes -= holder.record.sizeBytes;
    for (const pin of needs.release(holder)) {
      const thing = things.get(pin);
      if (thing !== undefined && !census.kept.has(pin) && !isYoung(pin)) evict(thing);
    }
  };
  return {
    evict,
    drop,
    needOf: needs.of,
    leftBytes: () => leftBytes,
    plan: () => ({
      things: [...gone],
      images: census.images.filter((image) => dropped.has(image)),
      records: census.records.filter((record) => dropped.has(record)),
    }),
  };
}

function recordsByLayer(records: readonly RecordHolder[]): ReadonlyMap<Pin, readonly RecordHolder[]> {
  const byLayer = new Map<Pin, RecordHolder[]>();
  for (const record of records) {
    for (const pin of record.required) {
      const known = byLayer.get(pin);
      if (known === undefined) byLayer.set(pin, [record]);
      else known.push(record);
    }
  }
  return byLayer;
}
