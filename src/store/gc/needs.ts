import type { Pin } from '../leases.ts';
import type { AreaName } from '../types.ts';
import type { Census } from './census.ts';
import type { ImageHolder, RecordHolder } from './holders.ts';

/**
 * Why something is in the store, strongest first: part of an image, a layer of a step's result, something that could be made
 * again of such a layer (or stands for itself, as a download does), or nothing.
 */
export type Need = 'image' | 'record' | 'derived' | 'none';

/** Counts who needs what, so that removing a holder tells at once what it alone held. */
export interface Needs {
  of(pin: Pin): Need;
  /** Takes a holder out; gives what nothing needs any more. */
  release(holder: ImageHolder | RecordHolder): readonly Pin[];
}

/** Entries of these areas stand for themselves; those of the others belong to a layer or a stack of layers. */
const INDEPENDENT: ReadonlySet<AreaName | 'blob'> = new Set([
  'cache-mounts',
  'downloads',
  'trees',
  'stat-cache',
] as const);

export function countNeeds(census: Census): Needs {
  const counts = { image: new Map<Pin, number>(), record: new Map<Pin, number>(), derived: new Map<Pin, number>() };
  const add = (kind: keyof typeof counts, pin: Pin, by: number): void => {
    counts[kind].set(pin, (counts[kind].get(pin) ?? 0) + by);
  };
  const addHolder = (holder: ImageHolder | RecordHolder, by: 1 | -1): void => {
    for (const pin of [...holder.metadata, ...holder.layers]) add(holder.kind, pin, by);
    for (const pin of holder.derived) add('derived', pin, by);
  };
  const needOf = (pin: Pin): Need => {
    if ((counts.image.get(pin) ?? 0) > 0) return 'image';
    if ((counts.record.get(pin) ?? 0) > 0) return 'record';
    return (counts.derived.get(pin) ?? 0) > 0 ? 'derived' : 'none';
  };
  for (const holder of [...census.images, ...census.records]) addHolder(holder, 1);
  for (const thing of census.inventory.things.values()) if (INDEPENDENT.has(thing.kind)) add('derived', thing.pin, 1);
  return {
    of: needOf,
    release: (holder) => {
      addHolder(holder, -1);
      return [...holder.metadata, ...holder.layers, ...holder.derived].filter((pin) => needOf(pin) === 'none');
    },
  };
}
