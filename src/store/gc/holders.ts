import { readFileSync } from 'node:fs';
import { chainIdOf, type Digest, digestHex, isDigest } from '../../core/index.ts';
import type { Descriptor, Index, LayerRef } from '../../oci/index.ts';
import { nameOf } from '../images.ts';
import { type Pin, pinOfBlob, pinOfEntry } from '../leases.ts';
import { readRecord } from '../records.ts';
import type { StoreHome } from '../store-home.ts';
import type { Inventory, RecordFile } from './inventory.ts';

/** What an image or a cache record keeps in the store. */
export interface Holds {
  /** Manifests, indexes and configs. */
  readonly metadata: ReadonlySet<Pin>;
  readonly layers: ReadonlySet<Pin>;
  /** What can be made again of the layers: their uncompressed form, tables of contents, snapshots. */
  readonly derived: ReadonlySet<Pin>;
}

/** An image of `index.json`; several names of one image are one holder. */
export interface ImageHolder extends Holds {
  readonly kind: 'image';
  readonly id: Digest;
  readonly pin: Pin;
  readonly named: boolean;
  readonly updatedMs: number;
}

/** A record; only those of step results hold anything. */
export interface RecordHolder extends Holds {
  readonly kind: 'record';
  readonly record: RecordFile;
  /** Layers without which the record is worth nothing: no registry has them. */
  readonly required: ReadonlySet<Pin>;
}

const METADATA_LIMIT_BYTES = 16 << 20;

/** The images of an index with all that is reachable from them (image-spec: index, manifest, config, layers). */
export function readImageHolders(home: StoreHome, inventory: Inventory, index: Index): readonly ImageHolder[] {
  const roots = new Map<Digest, readonly Descriptor[]>();
  for (const entry of index.manifests) roots.set(entry.digest, [...(roots.get(entry.digest) ?? []), entry]);
  return [...roots].map(([id, entries]) => {
    const reach: Reach = { metadata: new Set(), layers: new Set(), derived: new Set() };
    walk({ home, inventory, reach }, id);
    const manifest = inventory.things.get(pinOfBlob(id));
    const updated = entries.map((entry) => Date.parse(entry.annotations?.['io.zlayer.updated'] ?? '') || 0);
    return {
      kind: 'image',
      id,
      pin: pinOfBlob(id),
      named: entries.some((entry) => nameOf(entry) !== undefined),
      updatedMs: Math.max(manifest?.lastUsedMs ?? 0, ...updated),
      ...reach,
    };
  });
}

export function readRecordHolders(inventory: Inventory): readonly RecordHolder[] {
  return inventory.records.map((record) => {
    const layers = record.namespace === 'cache' ? layersOf(readRecord(record.path)) : [];
    const blobs = layers.map((layer) => layer.blob.digest);
    return {
      kind: 'record',
      record,
      metadata: new Set(),
      layers: new Set(blobs.map(pinOfBlob)),
      derived: derivedPins(layers.map((layer) => layer.diffId)),
      required: new Set(layers.filter((layer) => !layer.origin).map((layer) => pinOfBlob(layer.blob.digest))),
    };
  });
}

interface Reach {
  readonly metadata: Set<Pin>;
  readonly layers: Set<Pin>;
  readonly derived: Set<Pin>;
}

interface Walk {
  readonly home: StoreHome;
  readonly inventory: Inventory;
  readonly reach: Reach;
}

/** Follows whatever fields a document has; damaged or absent documents end the walk and are kept like any other. */
function walk(state: Walk, digest: Digest): void {
  const pin = pinOfBlob(digest);
  if (state.reach.metadata.has(pin)) return;
  state.reach.metadata.add(pin);
  const document = readDocument(state, digest);
  for (const child of digestsIn(document?.manifests)) walk(state, child);
  for (const config of digestsIn([document?.config])) walk(state, config);
  for (const layer of digestsIn(document?.layers)) state.reach.layers.add(pinOfBlob(layer));
  const diffIds = (document?.rootfs as { diff_ids?: unknown } | undefined)?.diff_ids;
  if (Array.isArray(diffIds))
    for (const derived of derivedPins(diffIds.filter(isDigest))) state.reach.derived.add(derived);
}

function readDocument(state: Walk, digest: Digest): Readonly<Record<string, unknown>> | undefined {
  const thing = state.inventory.things.get(pinOfBlob(digest));
  if (thing === undefined || thing.sizeBytes > METADATA_LIMIT_BYTES) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(thing.path, 'utf8'));
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function digestsIn(value: unknown): readonly Digest[] {
  if (!Array.isArray(value)) return [];
  return value.map((entry: { digest?: unknown } | undefined) => String(entry?.digest ?? '')).filter(isDigest);
}

function layersOf(value: unknown): readonly LayerRef[] {
  const layers = (value as { layers?: unknown } | undefined)?.layers;
  if (!Array.isArray(layers)) return [];
  return (layers as readonly Partial<LayerRef>[]).filter(
    (layer): layer is LayerRef => isDigest(layer?.diffId ?? '') && isDigest(layer?.blob?.digest ?? ''),
  );
}

/** What may have been made of a stack of layers, lowest first: each layer's tar and contents, each prefix's snapshot. */
function derivedPins(diffIds: readonly Digest[]): ReadonlySet<Pin> {
  const pins = new Set<Pin>();
  let chain: Digest | undefined;
  for (const diffId of diffIds) {
    chain = chainIdOf(chain === undefined ? [diffId] : [chain, diffId]);
    pins.add(pinOfBlob(diffId)).add(pinOfEntry('tocs', digestHex(diffId)));
    if (chain !== undefined) pins.add(pinOfEntry('snapshots', digestHex(chain)));
  }
  return pins;
}
