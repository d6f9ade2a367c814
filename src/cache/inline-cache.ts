import { BuildError } from '../core/index.ts';
import { BUILDKIT_CACHE_FIELD, type ImageConfig, INLINE_CACHE_FIELD, type LayerRef } from '../oci/index.ts';
import { buildkitCache } from './foreign-cache.ts';
import type { CacheRecord } from './types.ts';

interface InlineRecord {
  readonly keys: readonly string[];
  /** How many layers of the image, from the lowest, the step ends with. */
  readonly layers: number;
  readonly createdMs: number;
}

/** The value of the field for an image: those of the results that its layers begin with. Equal records give equal values. */
export function toInlineCache(records: readonly CacheRecord[], layers: readonly LayerRef[]): readonly InlineRecord[] {
  const isBeginning = (record: CacheRecord): boolean =>
    record.layers.every((layer, at) => layer.diffId === layers[at]?.diffId);
  return records
    .filter(isBeginning)
    .map(({ keys, layers: stack, createdMs }) => ({ keys: keys.toSorted(), layers: stack.length, createdMs }))
    .toSorted((a, b) => a.layers - b.layers || (a.keys[0]! < b.keys[0]! ? -1 : 1));
}

/** The results that an image carries; undefined when it carries none. @throws BuildError `IMAGE_INVALID`. */
export function fromInlineCache(config: ImageConfig, layers: readonly LayerRef[]): readonly CacheRecord[] | undefined {
  const fields = config as ImageConfig & Readonly<Record<string, unknown>>;
  const value = fields[INLINE_CACHE_FIELD];
  if (value === undefined) {
    if (fields[BUILDKIT_CACHE_FIELD] !== undefined) throw buildkitCache("an image with BuildKit's inline cache");
    return undefined;
  }
  if (!Array.isArray(value)) throw malformed();
  return value.map((record: Partial<InlineRecord> | null) => {
    const { keys, layers: count, createdMs } = record ?? {};
    const sound =
      Array.isArray(keys) &&
      keys.length > 0 &&
      keys.every((key) => typeof key === 'string' && key !== '') &&
      Number.isSafeInteger(count) &&
      count! >= 0 &&
      count! <= layers.length &&
      Number.isFinite(createdMs);
    if (!sound) throw malformed();
    return { keys: keys!, layers: layers.slice(0, count), createdMs: createdMs! };
  });
}

function malformed(): BuildError {
  return new BuildError('IMAGE_INVALID', 'the cache in its config does not have the form of one');
}
