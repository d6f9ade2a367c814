import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/index.ts';
import { bake } from '../../src/index.ts';
import type { Manifest } from '../../src/oci/index.ts';
import { openStore } from '../../src/store/index.ts';
import { type Answer, type FaultRegistry, startFaultRegistry } from '../registry/fault-registry.ts';
import { buildOn, createMachines, verdicts, warnings } from './machines.ts';

const { home, machine, contextOf, remove } = createMachines('cache-transfers');
afterAll(remove);

let registry: FaultRegistry;
const open = async (): Promise<void> => {
  registry = await startFaultRegistry({ mountAllowed: true });
};
const close = (): Promise<void> => registry.close();
/** Faults of one test are none of the next. */
function useFreshRegistries(): void {
  beforeEach(open);
  afterEach(close);
}

const dockerfile = (base: string): string => `FROM ${base} AS tools
COPY tool /tool
FROM ${base}
COPY a.txt /a
COPY --from=tools /tool /tool2
`;
const FILES = { 'a.txt': 'a', tool: 'tool' };

const directory = (path: string) => ({ kind: 'directory', path }) as const;

/** A base in the registry, and a build on it that has left its steps there. */
async function warmCache(options: { readonly inline?: boolean } = {}) {
  const { host } = registry;
  const base = `${host}/bases/small:1`;
  await buildOn(machine(), contextOf({ Dockerfile: 'FROM scratch\nCOPY base /base\n', base: 'base' }), {
    tags: [base],
    push: true,
  });
  const context = contextOf({ ...FILES, Dockerfile: dockerfile(base) });
  const image = `${host}/team/app:1`;
  const reference = options.inline === true ? image : `${host}/team/cache:main`;
  const target = options.inline === true ? { kind: 'inline' as const } : { kind: 'registry' as const, reference };
  const first = await buildOn(machine(), context, {
    tags: [image],
    push: true,
    cacheTo: [{ ...target, mode: options.inline === true ? 'min' : 'max' }],
  });
  return { base, context, image, first, from: [{ kind: 'registry', reference }] as const };
}

/** The layers that were fetched since a request. */
function layerGets(since: number): readonly string[] {
  const documents = new Set<string>();
  for (const { path } of registry.requests) {
    const [, repository = '', name = ''] = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(path) ?? [];
    const manifest = registry.manifest(repository, name);
    if (manifest === undefined) continue;
    const { config } = JSON.parse(manifest.bytes.toString()) as Partial<Manifest>;
    if (config !== undefined) documents.add(config.digest);
  }
  return registry.requests
    .slice(since)
    .filter(({ method, path }) => method === 'GET' && path.includes('/blobs/sha256:'))
    .map(({ path }) => path)
    .filter((path) => !documents.has(path.split('/').at(-1) ?? ''));
}

function manifestOf(repository: string, tag: string): Manifest {
  return JSON.parse(String(registry.manifest(repository, tag)?.bytes)) as Manifest;
}

async function storedNames(dataDir: string): Promise<readonly (string | undefined)[]> {
  const store = await openStore({ root: dataDir });
  return (await store.images.list()).map(({ reference }) => reference);
}

describe('a build on a second machine that hits every step', () => {
  let warm: Awaited<ReturnType<typeof warmCache>>;
  beforeAll(async () => {
    await open();
    warm = await warmCache();
  });
  afterAll(close);

  it('is pushed without a layer being fetched, to another repository and again to its own', async () => {
    const { context, from, image } = warm;
    const dataDir = machine();
    const since = registry.requests.length;
    const other = `${registry.host}/elsewhere/app:2`;
    const second = await buildOn(dataDir, context, { cacheFrom: from, tags: [other, image], push: true });
    expect(verdicts(second)).toEqual(['cached', 'cached', 'cached']);
    expect(layerGets(since)).toEqual([]);
    expect(registry.manifest('elsewhere/app', '2')?.bytes).toEqual(registry.manifest('team/app', '1')?.bytes);
    for (const { digest } of manifestOf('elsewhere/app', '2').layers) {
      expect(registry.blob('elsewhere/app', digest)).toBeDefined();
    }
    // The store lists whole images alone.
    expect(await storedNames(dataDir)).toEqual([]);
  });

  it('fetches nothing for its cache alone, and each layer of the image once for an output that reads it', async () => {
    const { context, from, first } = warm;
    const dataDir = machine();
    const before = registry.requests.length;
    const only = await buildOn(dataDir, context, {
      cacheFrom: from,
      tags: ['app'],
      outputs: [{ kind: 'cacheonly' }],
    });
    expect(verdicts(only)).toEqual(['cached', 'cached', 'cached']);
    expect(layerGets(before)).toEqual([]);
    expect(await storedNames(dataDir)).toEqual([]);
    const since = registry.requests.length;
    const whole = await buildOn(dataDir, context, { cacheFrom: from, tags: ['app'] });
    expect(layerGets(since)).toHaveLength(3);
    expect(await storedNames(dataDir)).toContain('docker.io/library/app:latest');
    expect(whole.result.config.rootfs).toEqual(first.result.config.rootfs);
  });

  it('brings to another registry what that lacks, and does not let a name mean an older image', async () => {
    const { context, from } = warm;
    const destination = await startFaultRegistry();
    try {
      const dataDir = machine();
      const image = `${destination.host}/team/app:1`;
      await buildOn(dataDir, contextOf({ Dockerfile: 'FROM scratch\nCOPY a.txt /\n', 'a.txt': 'old' }), {
        tags: [image],
      });
      const second = await buildOn(dataDir, context, { cacheFrom: from, tags: [image], push: true });
      expect(verdicts(second)).toEqual(['cached', 'cached', 'cached']);
      expect(destination.manifest('team/app', '1')?.bytes).toEqual(registry.manifest('team/app', '1')?.bytes);
      expect(await storedNames(dataDir)).not.toContain(image);
    } finally {
      await destination.close();
    }
  });

  it('takes the layers of a base from where this build has found it, whatever the cache says', async () => {
    const { base, from } = warm;
    const [, port = ''] = registry.host.split(':');
    const moved = base.replace(registry.host, `localhost:${port}`);
    const context = contextOf({ ...FILES, Dockerfile: dockerfile(moved) });
    const since = registry.requests.length;
    const tags = [`localhost:${port}/moved/app:1`];
    const second = await buildOn(machine(), context, { cacheFrom: from, tags, push: true });
    expect(verdicts(second)).toEqual(['cached', 'cached', 'cached']);
    // The cache is of another host's name, so that its layers are brought over; the base is mounted.
    expect(layerGets(since).some((path) => path.includes('team/cache'))).toBe(true);
    expect(layerGets(since).filter((path) => path.includes('bases/small'))).toEqual([]);
  });

  it('is pushed for several platforms without a layer being fetched', async () => {
    const { host } = registry;
    const reference = `${host}/team/cache:platforms`;
    const context = contextOf({ Dockerfile: 'FROM scratch\nARG TARGETARCH\nCOPY a.txt /$TARGETARCH\n', 'a.txt': 'a' });
    const options = { platform: 'linux/amd64,linux/arm64', push: true };
    const cacheTo = [{ kind: 'registry', reference, mode: 'min' }] as const;
    await buildOn(machine(), context, { ...options, tags: [`${host}/team/both:1`], cacheTo });
    const since = registry.requests.length;
    const cacheFrom = [{ kind: 'registry', reference }] as const;
    await buildOn(machine(), context, { ...options, tags: [`${host}/elsewhere/both:1`], cacheFrom });
    expect(layerGets(since)).toEqual([]);
    expect(registry.manifest('elsewhere/both', '1')?.bytes).toEqual(registry.manifest('team/both', '1')?.bytes);
  });

  it('is here for a target that stands on it, though it is only pushed', async () => {
    const { context, from } = warm;
    const app = contextOf({ Dockerfile: 'FROM base\nCOPY b /b\n', b: 'b' });
    const targets = {
      base: { context: directory(context), cacheFrom: from, tags: [`${registry.host}/baked/base:1`], push: true },
      app: { context: directory(app), buildContexts: { base: 'target:base' } },
    };
    const { failure } = await bake({ targets, dataDir: machine() });
    expect(failure).toBeUndefined();
  });

  it('says which registry has a layer that cannot be had', async () => {
    const { context, from } = warm;
    const destination = await startFaultRegistry();
    const { host } = registry;
    try {
      const layer = manifestOf('team/app', '1').layers[0]!;
      registry.inject({ method: 'GET', path: new RegExp(layer.digest), times: 99, answer: { status: 404 } });
      const building = buildOn(machine(), context, {
        cacheFrom: from,
        tags: [`${destination.host}/team/app:1`],
        push: true,
      });
      await expect(building).rejects.toThrow(host);
    } finally {
      await destination.close();
    }
  });
});

describe('an image that carries its cache', () => {
  useFreshRegistries();

  it('gives another machine the steps of its layers, the same image, and none of it to an image that stands on it', async () => {
    const { context, from, image } = await warmCache({ inline: true });
    const before = registry.manifest('team/app', '1')?.bytes;
    const since = registry.requests.length;
    const again = { cacheFrom: from, cacheTo: [{ kind: 'inline', mode: 'min' }] as const };
    const second = await buildOn(machine(), context, { ...again, tags: [image], push: true });
    // The stage `tools` has no layer in the image: its COPY runs, and gives what was there.
    expect(verdicts(second)).toEqual(['run', 'cached', 'cached']);
    expect(layerGets(since).length).toBeLessThan(2);
    expect(registry.manifest('team/app', '1')?.bytes).toEqual(before);
    const child = await buildOn(machine(), contextOf({ Dockerfile: `FROM ${image}\nCOPY a /x\n`, a: 'a' }), {});
    expect(Object.keys(child.result.config)).not.toContain('io.zlayer.cache.v1');
    expect(child.result.config.rootfs.diff_ids).toHaveLength(4);
  });
});

describe('a cached layer that is gone when it is needed', () => {
  useFreshRegistries();

  /** One step more, which needs the file of a cached one. */
  const changed = (base: string) =>
    contextOf({ ...FILES, Dockerfile: `${dockerfile(base)}COPY --from=tools /tool /b\n` });

  it('lets its step run with a warning when it is not there any more', async () => {
    const { base, from } = await warmCache();
    const context = changed(base);
    const sound = await buildOn(machine(), context, {});
    for (const { digest } of manifestOf('team/cache', 'main').layers) {
      registry.inject({ method: 'GET', path: new RegExp(digest), times: 99, answer: { status: 404 } });
    }
    const observed = await buildOn(machine(), context, { cacheFrom: from });
    expect(verdicts(observed)).toContain('run');
    expect(warnings(observed).join('\n')).toMatch(
      /CacheLayerLost: The cached layer sha256:\w+ of 127.0.0.1:\d+\/team\/cache cannot be had, so its step runs/,
    );
    expect(observed.events.filter(({ kind }) => kind === 'vertex-failed')).toEqual([]);
    expect(observed.result.config.rootfs).toEqual(sound.result.config.rootfs);
  });

  it('lets its step run when it holds other bytes, and keeps none of them', async () => {
    const directory = join(home, 'tampered');
    const context = contextOf({ ...FILES, Dockerfile: dockerfile('scratch') });
    await buildOn(machine(), context, { cacheTo: [{ kind: 'local', directory, mode: 'max' }] });
    const blobs = join(directory, 'blobs/sha256');
    for (const name of readdirSync(blobs)) {
      const bytes = readFileSync(join(blobs, name));
      if (bytes[0] === 0x1f) writeFileSync(join(blobs, name), Buffer.from(bytes).fill(7, 20, 40));
    }
    const dataDir = machine();
    const observed = await buildOn(dataDir, context, { cacheFrom: [{ kind: 'local', directory }] });
    expect(verdicts(observed)).toEqual(['run', 'run', 'run']);
    expect(warnings(observed).join('\n')).toContain(`cannot be read from ${directory}`);
    const { blobs: stored } = await openStore({ root: dataDir });
    for (const name of readdirSync(blobs)) expect(await stored.stat(`sha256:${name}`)).toBeUndefined();
  });

  it('lets all that is needed of a registry run which went away in the middle', async () => {
    const { base, from } = await warmCache();
    const dataDir = machine();
    // The base is here, the cache is not.
    await buildOn(dataDir, contextOf({ Dockerfile: `FROM ${base}\n` }), {});
    const onEvent = (event: { readonly kind: string; readonly verdict?: { readonly kind: string } }): void => {
      if (event.kind === 'vertex-completed' && event.verdict?.kind === 'cached') void registry.close();
    };
    const observed = await buildOn(dataDir, changed(base), { cacheFrom: from, onEvent });
    expect(verdicts(observed)).toEqual(['run', 'run', 'run', 'run']);
    expect(warnings(observed).join('\n')).toContain(`of ${registry.host}/team/cache cannot be had`);
  });
});

describe('a cache with mode=max', () => {
  useFreshRegistries();

  /** A file whose download ends when `release` is called. */
  async function openGate(answer: () => number) {
    let release = (): void => undefined;
    const promise = new Promise<void>((resolve) => {
      release = resolve;
    });
    const server = createServer((_, response) => {
      void promise.then(() => response.writeHead(answer()).end('gate'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/gate`;
    /** Nothing but an upload ends the download: a build that uploads at its end alone would never end. */
    const open = {
      method: 'PUT',
      path: /blobs\/uploads/,
      change: (upload: Answer) => {
        release();
        return upload;
      },
    };
    return { url, open, close: () => server.close() };
  }

  const gated = (url: string) =>
    contextOf({
      Dockerfile: `FROM scratch AS slow\nADD ${url} /gate\nFROM scratch\nCOPY a.txt /a\nCOPY --from=slow /gate /gate\n`,
      'a.txt': 'early',
    });

  it('uploads the layers of steps that have ended while another one still waits', async () => {
    const gate = await openGate(() => 200);
    try {
      registry.inject(gate.open);
      const reference = `${registry.host}/team/early:main`;
      await buildOn(machine(), gated(gate.url), { cacheTo: [{ kind: 'registry', reference, mode: 'max' }] });
      expect(manifestOf('team/early', 'main').layers).toHaveLength(2);
    } finally {
      gate.close();
    }
  });

  it('leaves no cache and no open upload behind when the build fails', async () => {
    const gate = await openGate(() => 404);
    try {
      registry.inject(gate.open);
      const reference = `${registry.host}/team/failed:main`;
      const building = buildOn(machine(), gated(gate.url), { cacheTo: [{ kind: 'registry', reference, mode: 'max' }] });
      await expect(building).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
      expect(registry.manifest('team/failed', 'main')).toBeUndefined();
      expect(registry.openUploads()).toBe(0);
    } finally {
      gate.close();
    }
  });
});

describe('a cache of BuildKit', () => {
  useFreshRegistries();

  const CONFIG = 'application/vnd.buildkit.cacheconfig.v0';
  const INDEX = 'application/vnd.oci.image.index.v1+json';
  const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
  const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

  it('is a warning that names it, in each of its forms, and the build goes on', async () => {
    const { host } = registry;
    const put = (name: string, text: string, mediaType: string) => {
      const { digest, sizeBytes } = registry.putBlob(name, text);
      return { mediaType, digest, size: sizeBytes };
    };
    const config = put('kit/cache', '{"layers":[],"records":[]}', CONFIG);
    const layer = put('kit/cache', 'layer', LAYER);
    const asManifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer] };
    const asIndex = { schemaVersion: 2, mediaType: INDEX, manifests: [layer, config] };
    registry.putManifest('kit/cache', 'manifest', asManifest, MANIFEST);
    registry.putManifest('kit/cache', 'index', asIndex, INDEX);
    const rootfs = { type: 'layers', diff_ids: [layer.digest] };
    const image = { architecture: 'amd64', os: 'linux', rootfs, 'moby.buildkit.cache.v0': 'W10=' };
    const imageConfig = put('kit/cache', JSON.stringify(image), 'application/vnd.oci.image.config.v1+json');
    const inline = { schemaVersion: 2, mediaType: MANIFEST, config: imageConfig, layers: [layer] };
    registry.putManifest('kit/cache', 'inline', inline, MANIFEST);
    const directory = join(home, 'kit');
    await buildOn(machine(), contextOf({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'a' }), {
      cacheTo: [{ kind: 'local', directory, mode: 'min' }],
    });
    const bytes = Buffer.from(JSON.stringify(asIndex));
    const digest = digestOf(bytes);
    writeFileSync(join(directory, 'blobs/sha256', digest.slice(7)), bytes);
    const entry = {
      mediaType: INDEX,
      digest,
      size: bytes.length,
      annotations: { 'org.opencontainers.image.ref.name': 'latest' },
    };
    writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
    const locations = ['manifest', 'index', 'inline'].map(
      (tag) => ({ kind: 'registry', reference: `${host}/kit/cache:${tag}` }) as const,
    );
    const observed = await buildOn(machine(), contextOf({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'a' }), {
      cacheFrom: [...locations, { kind: 'local', directory }],
    });
    const told = warnings(observed).toSorted().join('\n');
    for (const name of [...locations.map(({ reference }) => reference), directory])
      expect(told).toContain(`The cache ${name} is not used`);
    expect(told.match(/BuildKit/g)?.length).toBeGreaterThanOrEqual(4);
    expect(verdicts(observed)).toEqual(['run']);
  });
});
