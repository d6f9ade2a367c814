import { isBuildError, type RunContext, toBuildError } from '../../core/index.ts';
import { readThrough, type Store } from '../../store/index.ts';
import { toCacheImage } from '../cache-image.ts';
import type { OpenTarget } from '../open-target.ts';
import type { CacheStorage } from '../types.ts';
import { blobsOf, encodeMounts, MOUNTS_CONFIG_TYPE, type StoredMount } from './mounts-document.ts';
import { fetchMounts, fetchNames, type StoredMounts } from './open-mounts.ts';
import { packMount } from './pack-mount.ts';
import { openSpool, type Spool } from './spool.ts';
import type { CacheMountsTarget, UsedMount } from './types.ts';

/** What is written where. */
export interface MountsExport extends OpenTarget<CacheMountsTarget> {
  /** Mounts that steps of the build used; those that the target alone has stay as they are. */
  readonly used: readonly UsedMount[];
  /** Where the build took mounts from: what a tag of the same repository has, a new tag has as well. */
  readonly sources: readonly CacheStorage[];
}

/**
 * Writes cache mounts as one image manifest: a listing and packs of files' contents for each. What the target has already is
 * not sent again; a target that has all of it is not written to. What of it is broken is written anew.
 *
 * @throws BuildError `REGISTRY_*`, `OUTPUT_FAILED`, `HOST_LACKS`, `UNSUPPORTED`, unless the target ignores errors.
 */
export async function exportMounts(
  deps: { readonly store: Store },
  input: MountsExport,
  context: RunContext,
): Promise<void> {
  try {
    const before = (await readBefore(input.storage, context)) ?? (await readNeighbour(input, context));
    try {
      await write(deps, { ...input, before }, context);
    } catch (error) {
      // A registry may have collected what its manifest names.
      if (before === undefined || !isLoss(error)) throw error;
      await write(deps, { ...input, before: undefined }, context);
    }
  } catch (thrown) {
    const error = toBuildError(thrown);
    if (input.target.ignoreError !== true || error.code === 'CANCELLED') throw error;
    warn(
      'CacheMountNotExported',
      `The cache mounts were not written to ${input.storage.name}: ${error.message}`,
      context,
    );
  }
}

function isLoss(error: unknown): boolean {
  return isBuildError(error) && ['BLOB_MISSING', 'BLOB_DIGEST_MISMATCH', 'IMAGE_INVALID'].includes(error.code);
}

/** Mounts whose blobs are where the target is. */
interface Before extends StoredMounts {
  readonly storage: CacheStorage;
}

async function readNeighbour(
  { storage: { origin }, sources }: MountsExport,
  context: RunContext,
): Promise<Before | undefined> {
  const neighbour = sources.find((source) => origin !== undefined && source.origin === origin);
  return neighbour === undefined ? undefined : readBefore(neighbour, context);
}

async function readBefore(storage: CacheStorage, context: RunContext): Promise<Before | undefined> {
  try {
    const found = await fetchMounts(storage, context);
    return found === undefined ? undefined : { ...found, storage };
  } catch (error) {
    if (isLoss(error)) return undefined;
    throw error;
  }
}

type Writing = MountsExport & { readonly before: Before | undefined };

async function write({ store }: { readonly store: Store }, input: Writing, context: RunContext): Promise<void> {
  const { storage, before } = input;
  const spool = await openSpool(store);
  try {
    const mounts = await packMounts({ ...input, spool }, context);
    const own = before?.storage === storage ? before : undefined;
    const kept = (own?.mounts ?? []).filter(({ id }) => mounts.every((mount) => mount.id !== id));
    const fitting = chooseFitting([...mounts, ...kept], input, context);
    const { configBytes, layers } = encodeMounts(fitting);
    const { descriptor, documents } = toCacheImage({ configType: MOUNTS_CONFIG_TYPE, configBytes, layers });
    if (descriptor.digest === own?.manifest.descriptor.digest) return;
    const outgoing = readThrough(spool.store, { documents, provide: async () => undefined });
    await storage.write({ store: outgoing, descriptor, compression: 'none' }, context);
  } finally {
    await spool.close();
  }
}

async function packMounts(
  input: Writing & { readonly spool: Spool },
  context: RunContext,
): Promise<readonly StoredMount[]> {
  const { target, before, spool } = input;
  const format = { compression: target.compression ?? 'gzip', level: target.compressionLevel };
  const packed: StoredMount[] = [];
  for (const used of input.used) {
    if (target.ids?.includes(used.id) === false) continue;
    const stored = before?.mounts.find(({ id }) => id === used.id);
    const names = () => fetchNames(before!.storage, stored!, context);
    const mount = await used.hold(context.signal);
    const transfer = startReading(used.id, context);
    try {
      const known = stored === undefined ? undefined : { stored, names };
      const result = await packMount({ mount, before: known, spool, format, onBytes: transfer.add }, context);
      packed.push(result.stored);
      if (result.changed > 0) warnChanged(used.id, result.changed, context);
    } finally {
      transfer.end();
      await mount.release();
    }
  }
  return packed;
}

function warnChanged(id: string, count: number, context: RunContext): void {
  const files = count === 1 ? '1 file' : `${count} files`;
  const message = `${files} of the cache mount ${id} changed while being read, and will travel the next time.`;
  warn('CacheMountChanged', message, context);
}

/** Mounts as long as they are not too large together; those used longest ago come last. */
function chooseFitting(
  mounts: readonly StoredMount[],
  { target, storage }: MountsExport,
  context: RunContext,
): readonly StoredMount[] {
  const { maxSizeBytes = Number.POSITIVE_INFINITY } = target;
  const blobs = new Map<string, number>();
  return mounts.filter((mount) => {
    const fresh = blobsOf(mount).filter(({ digest }) => !blobs.has(digest));
    const sizeBytes = fresh.reduce((total, { size }) => total + size, 0);
    const total = sum(blobs.values()) + sizeBytes;
    if (total <= maxSizeBytes) {
      for (const { digest, size } of fresh) blobs.set(digest, size);
      return true;
    }
    const why = `with its ${sizeBytes} bytes they would be ${total}, and max-size is ${maxSizeBytes}`;
    warn('CacheMountLeftOut', `The cache mount ${mount.id} is left out of ${storage.name}: ${why}.`, context);
    return false;
  });
}

/** What a mount's files are read for is told of as one transfer. */
function startReading(
  id: string,
  context: RunContext,
): { readonly add: (count: number) => void; readonly end: () => void } {
  const name = `cache mount ${id}`;
  let currentBytes = 0;
  const emit = (done: boolean): void =>
    context.emit({
      kind: 'transfer',
      time: Date.now(),
      id: `pack ${id}`,
      direction: 'export',
      name,
      currentBytes,
      done,
    });
  let nextMs = 0;
  return {
    add: (count) => {
      currentBytes += count;
      if (Date.now() < nextMs) return;
      nextMs = Date.now() + REPORT_MS;
      emit(false);
    },
    end: () => {
      if (currentBytes > 0) emit(true);
    },
  };
}

const REPORT_MS = 100;

function warn(code: string, message: string, context: RunContext): void {
  context.emit({ kind: 'warning', time: Date.now(), code, message });
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
