import { digestHex, digestOf } from '../../core/index.ts';
import type { OpResult } from '../../engine/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import { type CachedResult, changesBetween, type ResultCache } from '../../solver/index.ts';
import type { Lease, Store } from '../../store/index.ts';
import type { SharedCaches } from './shared-caches.ts';

/** A step's result as the store keeps it. */
interface CacheRecord {
  readonly layers: readonly LayerRef[];
  readonly createdMs: number;
}

export interface StepCacheDeps {
  readonly store: Store;
  readonly lease: Lease;
  readonly shared: SharedCaches;
}

/**
 * The solver's cache: the store, then the shared caches, whose results the store keeps from then on. A record of the store
 * counts only while every layer is here, or can be fetched again.
 */
export function createStepCache({ store, lease, shared }: StepCacheDeps): ResultCache<OpResult> {
  const lookUpHere = async (key: string): Promise<CacheRecord | undefined> => {
    const record = await store.records.get<CacheRecord>('cache', key);
    if (record === undefined) return undefined;
    const present = await Promise.all(record.layers.map((layer) => isAvailable(lease, layer)));
    return present.every(Boolean) ? record : undefined;
  };
  const lookUpShared = async (key: string): Promise<CacheRecord | undefined> => {
    const found = await shared.find(key);
    if (found === undefined) return undefined;
    const record = { layers: found.layers, createdMs: found.createdMs };
    await store.records.put('cache', key, record);
    return record;
  };
  return {
    async lookup(key) {
      const record = (await lookUpHere(key)) ?? (await lookUpShared(key));
      if (record === undefined) return undefined;
      return { result: { kind: 'layers', layers: record.layers }, createdMs: record.createdMs };
    },
    async save(keys, cached) {
      const record = toRecord(cached);
      if (record !== undefined) await Promise.all(keys.map((key) => store.records.put('cache', key, record)));
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

function toRecord(cached: CachedResult<OpResult>): CacheRecord | undefined {
  const { result, createdMs } = cached;
  return result.kind === 'layers' ? { layers: result.layers, createdMs } : undefined;
}

async function isAvailable(lease: Lease, layer: LayerRef): Promise<boolean> {
  const blob = { digest: layer.blob.digest, sizeBytes: layer.blob.size };
  return (await lease.pinBlob(blob)) || layer.origin !== undefined;
}
