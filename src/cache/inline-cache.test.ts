import { describe, expect, it } from 'vitest';
import { digestOf } from '../core/index.ts';
import type { ImageConfig, LayerRef } from '../oci/index.ts';
import { fromInlineCache, toInlineCache } from './inline-cache.ts';

const layers = ['one', 'two', 'three'].map((text): LayerRef => {
  const digest = digestOf(text);
  return { diffId: digest, blob: { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: text.length } };
});
const [one, two, three] = layers as [LayerRef, LayerRef, LayerRef];

function configWith(fields: object): ImageConfig {
  return { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, ...fields } as ImageConfig;
}

describe('toInlineCache()', () => {
  it('carries the results that the image begins with, in an order of its own', () => {
    const records = [
      { keys: ['z', 'b'], layers: [one, two], createdMs: 2 },
      { keys: ['elsewhere'], layers: [three], createdMs: 3 },
      { keys: ['too long'], layers: [...layers, one], createdMs: 4 },
      { keys: ['a'], layers: [one], createdMs: 1 },
    ];
    expect(toInlineCache(records, layers)).toEqual([
      { keys: ['a'], layers: 1, createdMs: 1 },
      { keys: ['b', 'z'], layers: 2, createdMs: 2 },
    ]);
    expect(toInlineCache(records.toReversed(), layers)).toEqual(toInlineCache(records, layers));
  });
});

describe('fromInlineCache()', () => {
  it('gives back what was carried, with the layers of the image', () => {
    const records = [{ keys: ['a'], layers: [one, two], createdMs: 1 }];
    const config = configWith({ 'io.zlayer.cache.v1': toInlineCache(records, layers) });
    expect(fromInlineCache(config, layers)).toEqual(records);
    expect(fromInlineCache(configWith({}), layers)).toBeUndefined();
  });

  it.each([
    ['no list', {}],
    ['more layers than the image', [{ keys: ['a'], layers: 4, createdMs: 1 }]],
    ['a record without keys', [{ keys: [], layers: 1, createdMs: 1 }]],
    ['a record without a time', [{ keys: ['a'], layers: 1 }]],
    ['a record that is none', [null]],
  ])('refuses %s', (_, value) => {
    expect(() => fromInlineCache(configWith({ 'io.zlayer.cache.v1': value }), layers)).toThrow(
      expect.objectContaining({ code: 'IMAGE_INVALID' }),
    );
  });

  it("knows BuildKit's", () => {
    expect(() => fromInlineCache(configWith({ 'moby.buildkit.cache.v0': 'W10=' }), layers)).toThrow(/BuildKit/);
  });
});
