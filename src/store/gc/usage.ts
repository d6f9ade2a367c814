import type { IndexFile } from '../index-file.ts';
import { guard } from '../store-error.ts';
import type { StoreHome } from '../store-home.ts';
import type { UsageItem } from '../types.ts';
import { takeCensus, toItems } from './census.ts';

/** What lies in the store; everything counts once, so that the sizes add up to the store's. */
export function readUsage(home: StoreHome, index: IndexFile): readonly UsageItem[] {
  return guard(`measure ${home.paths.root}`, () => {
    const census = takeCensus(home, index.read());
    return toItems(census, {
      things: census.inventory.things.values(),
      images: census.images,
      records: census.records,
    });
  });
}
