import type { CacheRecord } from '../../cache/index.ts';
import { type Digest, digestHex, digestOf } from '../../core/index.ts';
import type { OpResult } from '../../engine/index.ts';
import { blobOf, type LayerRef } from '../../oci/index.ts';
import { changesBetween, type ResultCache } from '../../solver/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import type { LostLayers } from './lost-layers.ts';
import type { SharedCaches } from './shared-caches.ts';

export interface StepCacheDeps {
  readonly store: Store;
  readonly lease: Lease;
  readonly shared: SharedCaches;
  readonly lost: Pick<LostLayers, 'has'>;
  /** Layers of base images, by diffId, as they were resolved for this build. */
  readonly bases: ReadonlyMap<Digest, LayerRef>;
  /** Told of every result that a step has just made. */
  readonly onMade: (record: CacheRecord) => void;
}

/** The cache of one build, and what went through it. */
export interface StepCache extends ResultCache<OpResult> {
  /** Every result that the build looked up or made, under all the keys that are known of it: what it can leave to others. */
  records(): readonly CacheRecord[];
}

/**
 * The solver's cache: the store, then the shared caches, whose results the store keeps from then on. A record of the store
 * counts only while every layer is here, or can be fetched again.
 */
export function createStepCache({ store, lease, shared, lost, bases, onMade }: StepCacheDeps): StepCache {
  /** By the solver's result, which is one value however it was found. */
  const seen = new Map<OpResult, CacheRecord>();
  const isWhole = async (record: CacheRecord, isElsewhere: (layer: LayerRef) => boolean): Promise<boolean> => {
    const present = withBases(record).layers.map(
      async (layer) => (await lease.pinBlob(blobOf(layer.blob))) || (isElsewhere(layer) && !lost.has(layer)),
    );
    return (await Promise.all(present)).every(Boolean);
  };
  /** What a record says of a base's layers was true of another machine, or before the base moved. */
  const withBases = (record: CacheRecord): CacheRecord => ({
    ...record,
    layers: record.layers.map((layer) => bases.get(layer.diffId) ?? layer),
  });
  const lookUpHere = async (key: string): Promise<CacheRecord | undefined> => {
    const record = await store.records.get<CacheRecord>('cache', key);
    if (record === undefined) return undefined;
    return (await isWhole(record, ({ origin }) => origin !== undefined)) ? record : undefined;
  };
  const lookUpShared = async (key: string): Promise<CacheRecord | undefined> => {
    const found = await shared.find(key, (record) => isWhole(record, () => true));
    if (found !== undefined) await put(found);
    return found;
  };
  const put = async (record: CacheRecord): Promise<void> => {
    await Promise.all(record.keys.map((key) => store.records.put('cache', key, record)));
  };
  return {
    records: () => [...seen.values()],
    async lookup(key) {
      const found = (await lookUpHere(key)) ?? (await lookUpShared(key));
      if (found === undefined) return undefined;
      const record = withBases(found);
      const result: OpResult = { kind: 'layers', layers: record.layers };
      seen.set(result, record);
      return { result, createdMs: record.createdMs };
    },
    async save(keys, { result, createdMs }) {
      if (result.kind !== 'layers' || keys.length === 0) return;
      const before = seen.get(result);
      const known = before?.keys ?? [];
      const record = { keys: [...new Set([...known, ...keys])], layers: result.layers, createdMs };
      seen.set(result, record);
      await put(record);
      if (before === undefined) onMade(record);
    },
    async explain(slot, inputs) {
      const before = await store.records.get<Record<string, string>>('slots', slotKey(slot));
      return before === undefined ? undefined : changesBetween(before, inputs);
    },
    async note(slot, inputs) {
      const key = slotKey(slot);
      const before = await store.records.get<Record<string, string>>('slots', key);
      if (before !== undefined && changesBetween(before, inputs).length === 0) return;
      await store.records.put('slots', key, inputs);
    },
  };
}

function slotKey(slot: string): string {
  return digestHex(digestOf(slot));
}
