import { digestHex, digestOf } from '../../core/index.ts';
import type { OpResult } from '../../engine/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import { type CachedResult, changesBetween, type ResultCache } from '../../solver/index.ts';
import type { Lease, Store } from '../../store/index.ts';

/** A step's result as the store keeps it. */
interface CacheRecord {
  readonly layers: readonly LayerRef[];
  readonly createdMs: number;
}

/** The solver's cache in the store. A record counts only while every layer is here, or can be fetched again. */
export function createStepCache(store: Store, lease: Lease): ResultCache<OpResult> {
  return {
    async lookup(key) {
      const record = await store.records.get<CacheRecord>('cache', key);
      if (record === undefined) return undefined;
      const present = await Promise.all(record.layers.map((layer) => isAvailable(lease, layer)));
      if (!present.every(Boolean)) return undefined;
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
