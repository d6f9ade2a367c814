import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuildRequest, build } from '../../src/index.ts';
import { lacksPrograms } from '../support/host.ts';
import { type Json, readLayout } from '../support/oci-layout.ts';
import { openOciSchemas, type Schema } from '../support/oci-schema.ts';
import { runOk } from '../support/process.ts';
import { readTar } from '../support/tar-reader.ts';
import { unpackWithUmoci } from '../support/umoci.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-outputs-'));
const context = join(home, 'context');
const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker';
const KINDS: Readonly<Record<string, Schema>> = {
  [`${OCI}.index.v1+json`]: 'index',
  [`${OCI}.manifest.v1+json`]: 'manifest',
  [`${OCI}.config.v1+json`]: 'config',
};

beforeAll(() => {
  mkdirSync(context);
  const lines = ['FROM scratch', 'ARG TARGETARCH', 'COPY file /$TARGETARCH', 'COPY other /', 'CMD ["/x"]'];
  writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
  for (const name of ['file', 'other']) writeFileSync(join(context, name), name);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function request(options: Partial<BuildRequest>): BuildRequest {
  const dataDir = join(home, 'store');
  return { context: { kind: 'directory', path: context }, dataDir, platform: 'linux/amd64', ...options };
}

function readJson(path: string): Json {
  return JSON.parse(readFileSync(path, 'utf8')) as Json;
}

interface Entry {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly architecture: string };
}

const blobOf = (layout: string, { digest }: Entry): string => join(layout, 'blobs', digest.replace(':', '/'));
const entriesOf = (document: Json): readonly Entry[] => document['manifests'] as readonly Entry[];

/** Every document of a layout by its kind, those that its index leads to. */
function documentsOf(layout: string): ReadonlyArray<readonly [Schema, Json]> {
  const visit = (entry: Entry): ReadonlyArray<readonly [Schema, Json]> => {
    const kind = KINDS[entry.mediaType];
    if (kind === undefined) throw new Error(`${entry.mediaType} is none of OCI's documents`);
    const document = readJson(blobOf(layout, entry));
    const parts = kind === 'index' ? entriesOf(document) : kind === 'manifest' ? [document['config'] as Entry] : [];
    return [[kind, document], ...parts.flatMap(visit)];
  };
  const index = readJson(join(layout, 'index.json'));
  return [['layout', readJson(join(layout, 'oci-layout'))], ['index', index], ...entriesOf(index).flatMap(visit)];
}

/** All documents of a layout, each valid by the schemas of the image-spec. */
function validDocuments(layout: string): readonly Schema[] {
  const validate = openOciSchemas();
  if (validate === undefined) console.warn('SKIPPED: there are no schemas of the image-spec; set ZLAYER_SHARED');
  const documents = documentsOf(layout);
  for (const [kind, document] of documents) expect([kind, validate?.(kind, document) ?? []]).toEqual([kind, []]);
  return documents.map(([kind]) => kind).toSorted();
}

async function unpack(tar: string): Promise<string> {
  const directory = `${tar}.unpacked`;
  mkdirSync(directory);
  await runOk(['tar', '-C', directory, '-xf', tar]);
  return directory;
}

describe('annotations', () => {
  it('are written at every level and for one platform, into documents that are valid', async () => {
    const layout = join(home, 'annotated');
    const built = await build(
      request({
        platform: 'linux/amd64,linux/arm64',
        tags: ['annotated:1'],
        annotations: [
          { key: 'for', value: 'arm64', platform: 'linux/arm64' },
          { key: 'for', value: 'all' },
          { key: 'of', value: 'index', level: 'index' },
          { key: 'of', value: 'index-descriptor', level: 'index-descriptor' },
          { key: 'of', value: 'manifest-descriptor', level: 'manifest-descriptor' },
          { key: 'only', value: 'amd64', level: 'manifest-descriptor', platform: 'linux/amd64' },
        ],
        outputs: [{ kind: 'oci', destination: layout, tar: false }],
      }),
    );
    expect(built.descriptorAnnotations).toEqual({ of: 'index-descriptor' });
    const [entry] = entriesOf(readJson(join(layout, 'index.json')));
    expect(entry!.annotations).toMatchObject({ of: 'index-descriptor' });
    const index = readJson(blobOf(layout, entry!));
    expect(index['annotations']).toEqual({ of: 'index' });
    const members = entriesOf(index);
    expect(members.map(({ platform, annotations }) => [platform?.architecture, annotations])).toEqual([
      ['amd64', { of: 'manifest-descriptor', only: 'amd64' }],
      ['arm64', { of: 'manifest-descriptor' }],
    ]);
    expect(members.map((member) => readJson(blobOf(layout, member))['annotations'])).toEqual([
      { for: 'all' },
      { for: 'arm64' },
    ]);
    expect(validDocuments(layout)).toEqual(['config', 'config', 'index', 'index', 'layout', 'manifest', 'manifest']);
    if (lacksPrograms('annotated images', ['skopeo'])) return;
    const copied = join(home, 'annotated-copy');
    await runOk(['skopeo', '--insecure-policy', 'copy', '--all', '--quiet', `oci:${layout}`, `oci:${copied}:x`]);
    expect(readdirSync(join(copied, 'blobs/sha256')).toSorted()).toEqual(
      readdirSync(join(layout, 'blobs/sha256')).toSorted(),
    );
  });

  it.each([
    ['an index where there is none', { level: 'index' }, 'one platform makes no index'],
    ['a platform that is not built', { platform: 'linux/arm64' }, 'which is not built'],
    ['one platform of an index', { level: 'index', platform: 'linux/amd64' }, 'cannot be for linux/amd64 alone'],
  ] as const)('are refused for %s', async (_, place, message) => {
    const annotations = [{ key: 'a', value: 'b', ...place }];
    await expect(build(request({ annotations }))).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(message),
    });
  });
});

describe('outputs', () => {
  it('are valid documents that skopeo and umoci read, whatever their kind', async () => {
    const at = (name: string): string => join(home, name);
    await build(
      request({
        tags: ['app:1'],
        outputs: [
          { kind: 'oci', destination: at('app'), tar: false },
          { kind: 'oci', destination: at('app.tar'), tar: true, compression: 'gzip', compressionLevel: 9 },
          { kind: 'oci', destination: at('plain.tar'), tar: true, compression: 'none' },
          { kind: 'docker', destination: at('docker.tar') },
          { kind: 'docker', destination: at('docker-gzip.tar'), compression: 'gzip' },
          { kind: 'tar', destination: at('rootfs.tar') },
          { kind: 'local', destination: at('local') },
        ],
      }),
    );
    const archives = ['app.tar', 'plain.tar', 'docker.tar', 'docker-gzip.tar'];
    const layouts = [at('app'), ...(await Promise.all(archives.map((name) => unpack(at(name)))))];
    for (const layout of layouts) expect(validDocuments(layout)).toEqual(['config', 'index', 'layout', 'manifest']);
    const typesOf = (layout: string): unknown => new Set(readLayout(layout).layers.map(({ mediaType }) => mediaType));
    const [plain, gzip] = [new Set([`${OCI}.layer.v1.tar`]), new Set([`${OCI}.layer.v1.tar+gzip`])];
    expect(layouts.map(typesOf)).toEqual([gzip, gzip, plain, plain, gzip]);
    expect(new Set(layouts.map((layout) => (readLayout(layout).manifest['config'] as Entry).digest)).size).toBe(1);
    expect(readTar(at('rootfs.tar')).map(({ path }) => path)).toEqual(['amd64', 'other']);
    expect(readdirSync(at('local')).toSorted()).toEqual(['amd64', 'other']);
    if (lacksPrograms('outputs', ['skopeo', 'umoci'])) return;
    const sources = [`oci:${at('app')}`, ...archives.slice(2).map((name) => `docker-archive:${at(name)}`)];
    for (const source of sources) {
      const { stdout } = await runOk(['skopeo', 'inspect', '--config', source]);
      expect(JSON.parse(stdout)).toMatchObject({ architecture: 'amd64', config: { Cmd: ['/x'] } });
    }
    for (const [nth, layout] of layouts.slice(0, 3).entries()) {
      expect(await unpackWithUmoci(layout, at(`umoci-${nth}`))).toEqual(['amd64', 'other']);
    }
  });

  it('of a preset are what its consumer takes, and no types of OCI are among them', async () => {
    const layout = join(home, 'lambda');
    const { mediaType } = await build(
      request({ preset: 'lambda', outputs: [{ kind: 'oci', destination: layout, tar: false }] }),
    );
    expect(mediaType).toBe(`${DOCKER}.distribution.manifest.v2+json`);
    const { descriptor, manifest, layers } = readLayout(layout);
    expect(descriptor.mediaType).toBe(mediaType);
    expect((manifest['config'] as Entry).mediaType).toBe(`${DOCKER}.container.image.v1+json`);
    expect(layers.map((layer) => layer.mediaType)).toEqual(Array(2).fill(`${DOCKER}.image.rootfs.diff.tar.gzip`));
    const refused = request({ preset: 'lambda', annotations: { a: 'b' } });
    await expect(build(refused)).rejects.toThrow('--preset lambda and --annotation contradict each other');
  });

  it('for an engine that is not there are refused before anything is built', async () => {
    const before = process.env['DOCKER_HOST'];
    process.env['DOCKER_HOST'] = 'unix:///no/such/socket';
    try {
      const dataDir = join(home, 'untouched');
      const refused = build(request({ dataDir, outputs: [{ kind: 'load', engine: 'docker' }] }));
      await expect(refused).rejects.toMatchObject({ code: 'HOST_LACKS' });
      const blobs = join(dataDir, 'blobs/sha256');
      expect(existsSync(blobs) ? readdirSync(blobs) : []).toEqual([]);
    } finally {
      if (before === undefined) delete process.env['DOCKER_HOST'];
      else process.env['DOCKER_HOST'] = before;
    }
  });
});
