import { describe, expect, it } from 'vitest';
import { digestOf } from '../core/index.ts';
import {
  type Descriptor,
  encodeConfig,
  encodeManifest,
  type ImageConfig,
  type Manifest,
  MEDIA_TYPES,
  parseConfig,
  parseIndex,
  parseManifest,
  parseManifestOrIndex,
  toDockerManifest,
  toOciManifest,
} from './index.ts';

const descriptor = (mediaType: string, more: Partial<Descriptor> = {}): Descriptor => ({
  mediaType,
  digest: digestOf(mediaType),
  size: 7,
  ...more,
});
const manifest: Manifest = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.ociManifest,
  config: descriptor(MEDIA_TYPES.ociConfig),
  layers: [descriptor(MEDIA_TYPES.ociLayerGzip), descriptor(MEDIA_TYPES.ociLayer)],
};
const config: ImageConfig = {
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [digestOf('a')] },
};
const json = JSON.stringify;
const message = (text: string): object =>
  expect.objectContaining({ code: 'IMAGE_INVALID', message: expect.stringContaining(text) });

describe('parseManifest()', () => {
  it.each([
    [
      { ...manifest, layers: [{ ...manifest.layers[0], size: '148' }] },
      '"layers[0].size" must be a whole number of at least 0, not "148"',
    ],
    [{ ...manifest, config: {} }, '"config.mediaType" is missing'],
    [{ ...manifest, annotations: { a: 1 } }, '"annotations["a"]" must be a text, not 1'],
    [{ ...manifest, layers: {} }, '"layers" must be a list'],
    [[], '"$" must be an object'],
  ])('names what is wrong (%#)', (document, text) => {
    expect(() => parseManifest(json(document))).toThrow(message(text));
  });

  it('says that the bytes are no JSON', () => {
    expect(() => parseManifest('{')).toThrow(message('The image manifest cannot be read'));
  });

  it('keeps fields that it does not know', () => {
    expect(parseManifest(json({ ...manifest, extra: [1] }))).toEqual({ ...manifest, extra: [1] });
  });

  it('reads null as absent, and a null list of layers as none', () => {
    const { layers: _, ...rest } = manifest;
    expect(parseManifest(json({ ...manifest, layers: null, annotations: null, subject: null }))).toEqual({
      ...rest,
      layers: [],
    });
  });

  it('refuses a document that could also be read as an index', () => {
    expect(() => parseManifest(json({ ...manifest, manifests: [] }))).toThrow(message('"manifests"'));
    expect(() => parseIndex(json({ schemaVersion: 2, manifests: [], layers: [] }))).toThrow(message('"layers"'));
  });

  it('refuses a document that says it is something else than announced', () => {
    expect(() => parseManifest(json(manifest), { mediaType: MEDIA_TYPES.dockerManifest })).toThrow(
      message('"mediaType"'),
    );
  });

  it('explains schema 1', () => {
    expect(() => parseManifest(json({ schemaVersion: 1, fsLayers: [] }))).toThrow(message('schema 1'));
  });
});

describe('parseManifestOrIndex()', () => {
  it.each([
    ['an index without a media type', { schemaVersion: 2, manifests: [] }, 'index'],
    ['a manifest list', { schemaVersion: 2, mediaType: MEDIA_TYPES.dockerIndex, manifests: [] }, 'index'],
    ['a manifest', manifest, 'manifest'],
  ])('recognises %s', (_, document, kind) => {
    expect(parseManifestOrIndex(json(document)).kind).toBe(kind);
  });
});

describe('parseConfig()', () => {
  it("reads docker's nulls as absent, but keeps those of Entrypoint and Cmd", () => {
    const container = { Env: null, Volumes: null, OnBuild: null, Labels: null, Entrypoint: null, Cmd: null, User: '' };
    expect(parseConfig(json({ ...config, config: container, history: null }))).toEqual({
      ...config,
      config: { Entrypoint: null, Cmd: null, User: '' },
    });
  });

  it('keeps fields that it does not know', () => {
    const document = { ...config, docker_version: '20', config: { Domainname: 'x' } };
    expect(parseConfig(json(document))).toEqual(document);
  });
});

describe('encodeConfig()', () => {
  it('gives the same bytes for the same content in any order', () => {
    const a = { ...config, created: 'T', config: { Labels: { b: '1', a: '2' }, Env: ['B=1', 'A=2'] } };
    const b = { config: { Env: ['B=1', 'A=2'], Labels: { a: '2', b: '1' } }, created: 'T', ...config };
    expect(encodeConfig(a).toString()).toBe(
      `{"created":"T","architecture":"amd64","os":"linux","config":{"Env":["B=1","A=2"],"Labels":{"a":"2","b":"1"}},"rootfs":{"type":"layers","diff_ids":["${digestOf('a')}"]}}`,
    );
    expect(encodeConfig(b).equals(encodeConfig(a))).toBe(true);
  });
});

describe('encodeManifest()', () => {
  it('writes known fields first, unknown ones sorted behind them', () => {
    const encoded = encodeManifest({ z: 1, ...manifest, a: { d: 1, c: 2 } } as Manifest).toString();
    expect(Object.keys(JSON.parse(encoded) as object)).toEqual([
      'schemaVersion',
      'mediaType',
      'config',
      'layers',
      'a',
      'z',
    ]);
    expect(encoded).toContain('"a":{"c":2,"d":1}');
  });
});

describe('toDockerManifest()', () => {
  it('changes every media type and leaves out what Docker does not have', () => {
    const annotated = {
      ...manifest,
      annotations: { a: 'b' },
      config: descriptor(MEDIA_TYPES.ociConfig, { annotations: { a: 'b' } }),
    };
    const docker = toDockerManifest(annotated);
    expect(docker.mediaType).toBe(MEDIA_TYPES.dockerManifest);
    expect([docker.config, ...docker.layers].map(({ mediaType }) => mediaType)).toEqual([
      MEDIA_TYPES.dockerConfig,
      MEDIA_TYPES.dockerLayerGzip,
      MEDIA_TYPES.dockerLayer,
    ]);
    expect(json(docker)).not.toMatch(/annotations|vnd\.oci/);
  });

  it('refuses zstd, for which Docker has no type', () => {
    const zstd = { ...manifest, layers: [descriptor(MEDIA_TYPES.ociLayerZstd)] };
    expect(() => toDockerManifest(zstd)).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringContaining('zstd') }),
    );
  });
});

describe('toOciManifest()', () => {
  it("gives back what was made Docker's", () => {
    expect(toOciManifest(toDockerManifest(manifest))).toEqual(manifest);
  });

  it('refuses foreign layers', () => {
    const foreign = { ...manifest, layers: [descriptor(MEDIA_TYPES.dockerForeignLayer)] };
    expect(() => toOciManifest(foreign)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  });
});
