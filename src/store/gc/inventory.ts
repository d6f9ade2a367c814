import { type Stats, statSync } from 'node:fs';
import type { Digest } from '../../core/index.ts';
import { listNames } from '../areas.ts';
import { type Pin, pinOfBlob } from '../leases.ts';
import { AREA_NAMES, keyOfFileName, RECORD_NAMESPACES } from '../paths.ts';
import type { StoreHome } from '../store-home.ts';
import type { AreaName, RecordNamespace } from '../types.ts';
import { measureEntry } from './disk-usage.ts';

/** Something in the store that takes space and can be pinned: a blob, or an area's entry. */
export interface Thing {
  readonly pin: Pin;
  /** `blob`, or the area. */
  readonly kind: 'blob' | AreaName;
  /** Digest or key. */
  readonly id: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly lastUsedMs: number;
}

/** A record as a file; its value is read by who needs it. */
export interface RecordFile {
  readonly namespace: RecordNamespace;
  readonly id: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly lastUsedMs: number;
}

/** All that lies in a store, without its names. */
export interface Inventory {
  readonly things: ReadonlyMap<Pin, Thing>;
  readonly records: readonly RecordFile[];
}

/** Areas whose entries change in place, so that their sizes are no constants. */
const MUTABLE: ReadonlySet<AreaName> = new Set<AreaName>(['cache-mounts', 'stat-cache']);

export function readInventory(home: StoreHome): Inventory {
  const things = new Map<Pin, Thing>();
  for (const thing of [...readBlobs(home), ...AREA_NAMES.flatMap((area) => readEntries(home, area))]) {
    things.set(thing.pin, thing);
  }
  return { things, records: RECORD_NAMESPACES.flatMap((namespace) => readRecords(home, namespace)) };
}

function readBlobs(home: StoreHome): readonly Thing[] {
  return ['sha256', 'sha512'].flatMap((algorithm) =>
    statAll(`${home.paths.blobs}/${algorithm}`).map(({ name, path, stat }) => {
      const id = `${algorithm}:${name}`;
      return { pin: pinOfBlob(id as Digest), kind: 'blob', id, path, sizeBytes: stat.size, lastUsedMs: stat.mtimeMs };
    }),
  );
}

function readEntries(home: StoreHome, area: AreaName): readonly Thing[] {
  return statAll(`${home.paths.areas}/${area}`).map(({ name, path, stat }) => ({
    pin: `${area} ${name}`,
    kind: area,
    id: keyOfFileName(name),
    path,
    sizeBytes: measureEntry(path, { mutable: MUTABLE.has(area) }),
    lastUsedMs: stat.mtimeMs,
  }));
}

function readRecords(home: StoreHome, namespace: RecordNamespace): readonly RecordFile[] {
  return statAll(`${home.paths.records}/${namespace}`).map(({ name, path, stat }) => ({
    namespace,
    id: `${namespace}/${keyOfFileName(name)}`,
    path,
    sizeBytes: stat.size,
    lastUsedMs: stat.mtimeMs,
  }));
}

function statAll(
  folder: string,
): ReadonlyArray<{ readonly name: string; readonly path: string; readonly stat: Stats }> {
  return listNames(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? [] : [{ name, path, stat }];
  });
}
