import { BuildError, type Digest, isDigest } from '../../core/index.ts';
import type { Descriptor, Manifest } from '../../oci/index.ts';

/** Media type of the config of a manifest that holds cache mounts. */
export const MOUNTS_CONFIG_TYPE = 'application/vnd.zlayer.cache-mounts.config.v1+json';

/** Media type of a page of a mount's listing. */
export const PAGE_TYPE = 'application/vnd.zlayer.cache-mounts.listing.v1+gzip';

/** Media type of a pack of files' contents; compressed ones end with `+gzip` or `+zstd`. */
export const PACK_TYPE = 'application/vnd.zlayer.cache-mounts.pack.v1';

/** Contents of files, one behind the other. */
export interface Pack {
  readonly blob: Descriptor;
  /** Before compression. */
  readonly sizeBytes: number;
}

/** One cache mount as it travels. */
export interface StoredMount {
  readonly id: string;
  /** Of all names with their content: equal mounts have equal ones. */
  readonly digest: Digest;
  /** How many names it has. */
  readonly names: number;
  /** The listing, in the order of names. */
  readonly pages: readonly Descriptor[];
  readonly packs: readonly Pack[];
}

/** The config: mounts by the positions of their blobs among the manifest's layers. Used last, first. */
interface MountsDocument {
  readonly version: 1;
  readonly mounts: ReadonlyArray<{
    readonly id: string;
    readonly digest: Digest;
    readonly names: number;
    readonly pages: readonly number[];
    readonly packs: ReadonlyArray<readonly [layer: number, sizeBytes: number]>;
  }>;
}

/** The blobs of a mount. */
export function blobsOf({ pages, packs }: StoredMount): readonly Descriptor[] {
  return [...pages, ...packs.map(({ blob }) => blob)];
}

/** Makes config and layers of a manifest. Equal mounts in the same order give equal bytes. */
export function encodeMounts(mounts: readonly StoredMount[]): {
  readonly configBytes: Buffer;
  readonly layers: readonly Descriptor[];
} {
  const layers = new Map(mounts.flatMap(blobsOf).map((blob) => [blob.digest, blob] as const));
  const positions = new Map([...layers.keys()].map((digest, at) => [digest, at]));
  const at = (blob: Descriptor): number => positions.get(blob.digest)!;
  const document: MountsDocument = {
    version: 1,
    mounts: mounts.map(({ id, digest, names, pages, packs }) => ({
      id,
      digest,
      names,
      pages: pages.map(at),
      packs: packs.map(({ blob, sizeBytes }) => [at(blob), sizeBytes] as const),
    })),
  };
  return { configBytes: Buffer.from(JSON.stringify(document)), layers: [...layers.values()] };
}

/** @throws BuildError `IMAGE_INVALID` when it holds no cache mounts of a version that is known here. */
export function parseMounts(configBytes: Uint8Array, { layers }: Manifest): readonly StoredMount[] {
  const layerAt = (at: number, type: string): Descriptor => {
    const layer = layers[at];
    if (layer?.mediaType.startsWith(type) === true) return layer;
    throw invalid('it names a layer that is not there');
  };
  return parseDocument(configBytes).mounts.map(({ id, digest, names, pages, packs }) => ({
    id,
    digest,
    names,
    pages: pages.map((at) => layerAt(at, PAGE_TYPE)),
    packs: packs.map(([at, sizeBytes]) => ({ blob: layerAt(at, PACK_TYPE), sizeBytes })),
  }));
}

function parseDocument(bytes: Uint8Array): MountsDocument {
  let value: Partial<MountsDocument> | null;
  try {
    value = JSON.parse(Buffer.from(bytes).toString()) as Partial<MountsDocument> | null;
  } catch (error) {
    throw invalid('its config is no JSON document', error);
  }
  if (value?.version !== 1) throw invalid(`its version is ${String(value?.version)}, and 1 is known here`);
  if (!Array.isArray(value.mounts) || !value.mounts.every(isMount)) {
    throw invalid('its config does not have the form of cache mounts');
  }
  return value as MountsDocument;
}

function isMount(value: Partial<MountsDocument['mounts'][number]> | null): boolean {
  return (
    typeof value?.id === 'string' &&
    isDigest(value.digest ?? '') &&
    isCount(value.names) &&
    Array.isArray(value.pages) &&
    value.pages.every(isCount) &&
    Array.isArray(value.packs) &&
    value.packs.every((pack: unknown) => Array.isArray(pack) && isCount(pack[0]) && isCount(pack[1]))
  );
}

/** A whole number from zero on. */
export function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** What is wrong with stored cache mounts. */
export function invalid(why: string, cause?: unknown): BuildError {
  return new BuildError('IMAGE_INVALID', `The cache mounts cannot be used: ${why}.`, {
    cause,
    hint: 'Write them anew with --cache-mounts-to.',
  });
}
