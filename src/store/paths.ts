import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Digest, digestAlgorithm, digestHex } from '../core/index.ts';
import type { AreaName, RecordNamespace } from './types.ts';

/** Where everything lies below a store's root. What OCI's image layout does not define is in the folder `zlayer`. */
export interface StorePaths {
  readonly root: string;
  readonly layoutFile: string;
  readonly index: string;
  readonly blobs: string;
  readonly own: string;
  readonly versionFile: string;
  readonly bootFile: string;
  readonly tmp: string;
  readonly trash: string;
  readonly leases: string;
  readonly indexLock: string;
  readonly reserve: string;
  readonly areas: string;
  readonly records: string;
  blob(digest: Digest): string;
  /** The folder of an area's entry; the entry itself is `data` in it. */
  entry(area: AreaName, key: string): string;
  record(namespace: RecordNamespace, key: string): string;
}

export const AREA_NAMES: readonly AreaName[] = [
  'snapshots',
  'tocs',
  'cache-mounts',
  'downloads',
  'trees',
  'stat-cache',
];

export const RECORD_NAMESPACES: readonly RecordNamespace[] = [
  'cache',
  'slots',
  'compressed',
  'origins',
  'loaded',
  'http',
  'git',
];

export function createPaths(root: string): StorePaths {
  const own = join(root, 'zlayer');
  const blobs = join(root, 'blobs');
  return {
    root,
    layoutFile: join(root, 'oci-layout'),
    index: join(root, 'index.json'),
    blobs,
    own,
    versionFile: join(own, 'store.json'),
    bootFile: join(own, 'boot'),
    tmp: join(own, 'tmp'),
    trash: join(own, 'trash'),
    leases: join(own, 'leases'),
    indexLock: join(own, 'index.lock'),
    reserve: join(own, 'reserve'),
    areas: join(own, 'areas'),
    records: join(own, 'records'),
    blob: (digest) => `${blobs}/${digestAlgorithm(digest)}/${digestHex(digest)}`,
    entry: (area, key) => `${own}/areas/${area}/${fileNameOfKey(key)}`,
    record: (namespace, key) => `${own}/records/${namespace}/${fileNameOfKey(key)}`,
  };
}

const HASHED = /^=[0-9a-f]{64}$/;

/**
 * The file name of a key: percent-encoded, or `=` and a digest where that would be too long for a file name or the key is
 * no well-formed text. The name of a hashed key stands for the key wherever keys are listed.
 */
export function fileNameOfKey(key: string): string {
  if (HASHED.test(key)) return key;
  const encoded = percentEncode(key);
  if (encoded !== '' && encoded.length <= 200) return encoded;
  return `=${createHash('sha256').update(Buffer.from(key, 'utf16le')).digest('hex')}`;
}

export function keyOfFileName(name: string): string {
  return HASHED.test(name) ? name : decodeURIComponent(name);
}

function percentEncode(key: string): string {
  try {
    return encodeURIComponent(key).replace(/^\./, '%2E');
  } catch {
    return '';
  }
}
