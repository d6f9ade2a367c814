import { describe, expect, it } from 'vitest';
import { parseCacheFrom, parseCacheMountsFrom, parseCacheMountsTo, parseCacheTo } from './parse-cache.ts';

describe('parseCacheFrom()', () => {
  it('reads a name alone as a cache in a registry', () => {
    expect(parseCacheFrom(['registry.example.com/app:cache'])).toEqual([
      { kind: 'registry', reference: 'registry.example.com/app:cache' },
    ]);
  });

  it.each([
    ['type=registry,ref=app:cache', { kind: 'registry', reference: 'app:cache' }],
    ['type=local,src=dir', { kind: 'local', directory: 'dir' }],
    ['type=gha', { kind: 'gha' }],
    [
      'type=gha,scope=main,url_v2=https://results.example.com/,token=t,version=2',
      { kind: 'gha', scope: 'main', url: 'https://results.example.com/', token: 't' },
    ],
    ['type=local,src=dir,tag=main', { kind: 'local', directory: 'dir', tag: 'main' }],
    [
      'type=s3,bucket=b,region=eu-1,name=main,prefix=p/,endpoint_url=http://127.0.0.1:9000,use_path_style=true',
      {
        kind: 's3',
        bucket: 'b',
        region: 'eu-1',
        name: 'main',
        prefix: 'p/',
        endpointUrl: 'http://127.0.0.1:9000',
        usePathStyle: true,
      },
    ],
  ])('reads %s', (text, location) => {
    expect(parseCacheFrom([text])).toEqual([location]);
  });

  it.each([
    ['type=registry', 'USAGE', 'lacks ref='],
    ['type=local,dest=dir', 'UNSUPPORTED', 'dest=dir'],
    ['type=s3,bucket=b', 'USAGE', 'lacks region='],
    ['ref=app', 'UNSUPPORTED', 'has no type'],
    ['type=azblob,account=x', 'UNSUPPORTED', 'unknown type "azblob"'],
    ['type=inline', 'UNSUPPORTED', 'unknown type "inline"'],
    ['type=registry,ref=app,bucket=b', 'UNSUPPORTED', 'bucket=b of --cache-from type=registry'],
    ['type=gha,version=1', 'UNSUPPORTED', 'version=1'],
    ['type=local,src=dir,loose', 'USAGE', 'loose'],
  ])('refuses %s', (text, code, part) => {
    expect(() => parseCacheFrom([text])).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(part) }),
    );
  });
});

describe('parseCacheTo()', () => {
  it('keeps only the steps of the image unless mode says otherwise', () => {
    expect(parseCacheTo(['type=local,dest=dir'])).toEqual([{ kind: 'local', directory: 'dir', mode: 'min' }]);
    expect(parseCacheTo(['app:cache'])).toEqual([{ kind: 'registry', reference: 'app:cache', mode: 'min' }]);
  });

  it('reads an image that carries its cache', () => {
    expect(parseCacheTo(['type=inline'])).toEqual([{ kind: 'inline', mode: 'min' }]);
  });

  it('reads every attribute', () => {
    const text =
      'type=registry,ref=app:cache,mode=max,compression=zstd,compression-level=3,force-compression=1,ignore-error=true,image-manifest=true,oci-mediatypes=true';
    expect(parseCacheTo([text])).toEqual([
      {
        kind: 'registry',
        reference: 'app:cache',
        mode: 'max',
        compression: 'zstd',
        compressionLevel: 3,
        forceCompression: true,
        ignoreError: true,
      },
    ]);
  });

  it.each([
    ['type=local,dest=dir,mode=most', 'USAGE', 'mode=most'],
    ['type=local,dest=dir,compression-level=x', 'USAGE', 'compression-level=x'],
    ['type=registry,ref=app,image-manifest=false', 'UNSUPPORTED', 'image-manifest=false'],
    ['type=s3,bucket=b,region=r,oci-mediatypes=true', 'UNSUPPORTED', 'oci-mediatypes=true of --cache-to type=s3'],
    ['type=local,dest=dir,compression-level=10', 'USAGE', 'gzip has 1 to 9'],
    ['type=inline,mode=max', 'USAGE', 'mode=max is nothing for type=inline'],
    ['type=inline,compression=zstd', 'UNSUPPORTED', 'compression=zstd'],
  ])('refuses %s', (text, code, part) => {
    expect(() => parseCacheTo([text])).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(part) }),
    );
  });
});

describe('parseCacheMountsFrom()', () => {
  it('reads places as parseCacheFrom() does, with ids', () => {
    expect(parseCacheMountsFrom(['r.example.com/mounts', 'type=local,src=dir,ids=npm|/root/.cache'])).toEqual([
      { kind: 'registry', reference: 'r.example.com/mounts' },
      { kind: 'local', directory: 'dir', tag: 'cache-mounts', ids: ['npm', '/root/.cache'] },
    ]);
  });

  it('gives places with room for several caches another default name than caches of steps have', () => {
    const texts = ['type=gha', 'type=s3,bucket=b,region=r', 'type=local,src=d,tag=own', 'type=gha,scope=own'];
    expect(parseCacheMountsFrom(texts)).toEqual([
      { kind: 'gha', scope: 'cache-mounts' },
      { kind: 's3', bucket: 'b', region: 'r', name: 'cache-mounts' },
      { kind: 'local', directory: 'd', tag: 'own' },
      { kind: 'gha', scope: 'own' },
    ]);
  });
});

describe('parseCacheMountsTo()', () => {
  it('reads a size bound, ids and how blobs are written', () => {
    expect(
      parseCacheMountsTo([
        'type=registry,ref=r.example.com/mounts:main,ids=npm,max-size=2g,compression=gzip,compression-level=1,ignore-error=true',
      ]),
    ).toEqual([
      {
        kind: 'registry',
        reference: 'r.example.com/mounts:main',
        ids: ['npm'],
        maxSizeBytes: 2 * 2 ** 30,
        compression: 'gzip',
        compressionLevel: 1,
        ignoreError: true,
      },
    ]);
  });

  it.each([
    ['type=local,dest=d,ids='],
    ['type=local,dest=d,ids=|'],
    ['type=local,dest=d,max-size=much'],
    ['type=local,src=d'],
  ])('refuses %s', (text) => {
    expect(() => parseCacheMountsTo([text])).toThrow();
  });

  it('has no mode: a cache mount is whole', () => {
    expect(() => parseCacheMountsTo(['type=local,dest=d,mode=max'])).toThrow(/mode=max of --cache-mounts-to/);
  });
});
