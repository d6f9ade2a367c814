import type { Index } from '../../oci/index.ts';
import { type Pin, readPins } from '../leases.ts';
import type { StoreHome } from '../store-home.ts';
import type { UsageItem } from '../types.ts';
import { type ImageHolder, type RecordHolder, readImageHolders, readRecordHolders } from './holders.ts';
import { type Inventory, readInventory, type Thing } from './inventory.ts';

/** Some of what lies in a store, or all of it. */
export interface Selection {
  readonly things: Iterable<Thing>;
  readonly images: readonly ImageHolder[];
  readonly records: readonly RecordHolder[];
}

/** A store as garbage collection sees it. */
export interface Census {
  readonly inventory: Inventory;
  readonly images: readonly ImageHolder[];
  readonly records: readonly RecordHolder[];
  /** What leases of live processes protect. */
  readonly pins: ReadonlySet<Pin>;
  /** What must stay: what leases pin, and what named images, and images that a lease pins, are made of. */
  readonly kept: ReadonlySet<Pin>;
  /** Blobs that are known to be layers. */
  readonly layers: ReadonlySet<Pin>;
  /** Milliseconds since the epoch. A layer is used with every record that leads to it. */
  readonly lastUsedMs: ReadonlyMap<Pin, number>;
}

export function takeCensus(home: StoreHome, index: Index): Census {
  const inventory = readInventory(home);
  const images = readImageHolders(home, inventory, index);
  const records = readRecordHolders(inventory);
  const pins = readPins(home);
  return {
    inventory,
    images,
    records,
    pins,
    kept: keptPins(images, pins),
    layers: new Set([...images, ...records].flatMap((holder) => [...holder.layers])),
    lastUsedMs: lastUses(inventory, records),
  };
}

/** Lines for people: manifests and configs count to their image, not for themselves. */
export function toItems(census: Census, { things, images, records }: Selection): readonly UsageItem[] {
  const rest = new Map([...things].map((thing) => [thing.pin, thing]));
  const imageItems = images.map((image): UsageItem => {
    let sizeBytes = 0;
    for (const pin of image.metadata) {
      sizeBytes += rest.get(pin)?.sizeBytes ?? 0;
      rest.delete(pin);
    }
    const inUse = image.named || census.pins.has(image.pin);
    return { kind: 'image', id: image.id, sizeBytes, lastUsedMs: image.updatedMs, inUse };
  });
  const thingItems = [...rest.values()].map(({ pin, id, kind, sizeBytes, lastUsedMs }): UsageItem => {
    const usedMs = census.lastUsedMs.get(pin) ?? lastUsedMs;
    return { kind: kindOf(census, { pin, kind }), id, sizeBytes, lastUsedMs: usedMs, inUse: census.kept.has(pin) };
  });
  const recordItems = records.map(({ record }): UsageItem => {
    const { id, sizeBytes, lastUsedMs } = record;
    return { kind: 'record', id, sizeBytes, lastUsedMs, inUse: false };
  });
  return [...imageItems, ...thingItems, ...recordItems];
}

export function kindOf(census: Census, thing: Pick<Thing, 'pin' | 'kind'>): UsageItem['kind'] {
  return census.layers.has(thing.pin) ? 'layer' : thing.kind;
}

function keptPins(images: readonly ImageHolder[], pins: ReadonlySet<Pin>): ReadonlySet<Pin> {
  const kept = new Set(pins);
  for (const image of images) {
    if (!image.named && !pins.has(image.pin)) continue;
    for (const pin of [...image.metadata, ...image.layers]) kept.add(pin);
  }
  return kept;
}

function lastUses(inventory: Inventory, records: readonly RecordHolder[]): ReadonlyMap<Pin, number> {
  const uses = new Map<Pin, number>();
  for (const thing of inventory.things.values()) uses.set(thing.pin, thing.lastUsedMs);
  for (const { record, layers } of records) {
    for (const pin of layers) uses.set(pin, Math.max(uses.get(pin) ?? 0, record.lastUsedMs));
  }
  return uses;
}
