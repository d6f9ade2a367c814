import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuildRequest, build } from '../../src/index.ts';
import { flattenLayers, listLayer } from '../support/flatten.ts';
import { lacksPrograms } from '../support/host.ts';
import { readLayout } from '../support/oci-layout.ts';
import { unpackWithUmoci } from '../support/umoci.ts';
import { BUSYBOX_IMAGE, importBusybox, missingForRun } from './busybox-image.ts';

const home = mkdtempSync(join(tmpdir(), 'zlayer-squash-'));
const dataDir = join(home, 'store');
const context = join(home, 'context');
const missing = missingForRun();

const DOCKERFILE = `FROM ${BUSYBOX_IMAGE}
WORKDIR /work
COPY a.txt b.txt ./
RUN echo secret > /work/token && ln b.txt c.txt && mkdir -p gone/deep && touch gone/deep/x
RUN rm -rf token gone a.txt /etc/passwd && rm -rf /root && mkdir -m 700 /root && echo new > /root/new
RUN rm -rf /tmp && echo file > /tmp
ENV A=1
CMD ["cat", "/work/b.txt"]
`;

beforeAll(async () => {
  if (missing !== undefined) return;
  await importBusybox(dataDir);
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), DOCKERFILE);
  for (const name of ['a.txt', 'b.txt']) writeFileSync(join(context, name), name);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

function request(name: string, options: Partial<BuildRequest> = {}): BuildRequest {
  const destination = join(home, name);
  return {
    context: { kind: 'directory', path: context },
    dataDir,
    sourceDateEpoch: 1_700_000_000,
    rewriteTimestamp: true,
    outputs: [{ kind: 'oci', destination, tar: false }],
    tags: [`${name}:1`],
    ...options,
  };
}

describe.skipIf(missing !== undefined)('build() with squash', () => {
  it('puts one layer on the base that comes to the same files, and knows nothing of what is gone', async () => {
    const whole = await build(request('whole'));
    const squashed = await build(request('squashed', { squash: true }));
    expect(whole.layers).toHaveLength(6);
    expect(squashed.layers).toHaveLength(2);
    expect(squashed.layers[0]).toEqual(whole.layers[0]);
    const trees = ['whole', 'squashed'].map((name) =>
      flattenLayers(readLayout(join(home, name)).layers, join(home, 'flat')),
    );
    const [before, after] = await Promise.all(trees);
    expect([...after!.keys()].toSorted()).toEqual([...before!.keys()].toSorted());
    expect(after).toEqual(before);
    const layer = await listLayer(readLayout(join(home, 'squashed')).layers[1]!, join(home, 'flat'));
    const names = layer.map(({ path }) => path.replace(/\/$/, ''));
    expect(names).toContain('etc/.wh.passwd');
    expect(names.filter((name) => /token|gone|a\.txt/.test(name))).toEqual([]);
  });

  it("keeps the history without layers, as docker's --squash does, with one entry more", async () => {
    const [whole, squashed] = [await build(request('whole')), await build(request('squashed', { squash: true }))];
    const before = whole.config.history!;
    const after = squashed.config.history!;
    expect(after.map(({ created_by }) => created_by)).toEqual([
      ...before.map(({ created_by }) => created_by),
      undefined,
    ]);
    expect(after.filter(({ empty_layer }) => empty_layer !== true)).toEqual([
      before[0],
      { created: '2023-11-14T22:13:20.000Z', comment: 'merge of all layers above the base' },
    ]);
    expect(squashed.config.config).toEqual(whole.config.config);
  });

  it('is found in the cache the second time, and is the same in another store', async () => {
    const first = await build(request('squashed', { squash: true }));
    const again = await build(request('squashed', { squash: true }));
    expect(again.steps.filter(({ verdict }) => verdict.kind === 'run')).toEqual([]);
    const elsewhere = join(home, 'elsewhere');
    await importBusybox(elsewhere);
    const other = await build(request('other', { squash: true, dataDir: elsewhere, tags: [] }));
    expect([again.digest, other.digest]).toEqual([first.digest, first.digest]);
  });

  it('is unpacked by umoci to the same names, in both formats read by skopeo', async ({ skip }) => {
    if (lacksPrograms('squash', ['umoci', 'skopeo'])) skip();
    await build(request('whole'));
    await build(request('squashed', { squash: true }));
    const names = await unpackWithUmoci(join(home, 'whole'), join(home, 'unpacked-whole'));
    expect(await unpackWithUmoci(join(home, 'squashed'), join(home, 'unpacked-squashed'))).toEqual(names);
    const docker = join(home, 'docker.tar');
    const outputs = [{ kind: 'docker', destination: docker }] as const;
    const built = await build(request('docker', { squash: true, format: 'docker', outputs }));
    expect(built.mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
    const inspected = JSON.parse(
      execFileSync('skopeo', ['inspect', '--config', `docker-archive:${docker}`], { encoding: 'utf8' }),
    ) as {
      readonly rootfs: { readonly diff_ids: readonly string[] };
    };
    expect(inspected.rootfs.diff_ids).toEqual(built.layers.map(({ diffId }) => diffId));
    await build(request('docker-oci', { squash: true, format: 'docker' }));
    execFileSync('skopeo', ['copy', `oci:${join(home, 'docker-oci')}`, `dir:${join(home, 'docker-dir')}`]);
  });

  it('squashes each of several platforms', async () => {
    writeFileSync(join(context, 'Copies'), 'FROM scratch\nARG TARGETARCH\nCOPY a.txt /$TARGETARCH\nCOPY b.txt /b\n');
    const { images = [] } = await build(
      request('several', {
        dockerfile: { kind: 'path', path: join(context, 'Copies') },
        squash: true,
        platform: 'linux/amd64,linux/arm64',
      }),
    );
    expect(images.map(({ layers }) => layers.length)).toEqual([1, 1]);
  });

  it('begins at the end of a stage that the image stands on, by its name or number', async () => {
    const lines = [
      `FROM ${BUSYBOX_IMAGE} AS other`,
      'COPY a.txt /other',
      `FROM ${BUSYBOX_IMAGE} AS deps`,
      'COPY a.txt /deps',
    ];
    lines.push('LABEL of=deps', 'FROM deps', 'COPY a.txt /one', 'COPY --link b.txt /two', 'COPY --from=other /other /');
    writeFileSync(join(context, 'Stages'), `${lines.join('\n')}\n`);
    const dockerfile = { kind: 'path', path: join(context, 'Stages') } as const;
    const since = (stage: string) => build(request(`since-${stage}`, { dockerfile, squash: { since: stage } }));
    const deps = await build(request('deps', { dockerfile, target: 'deps' }));
    const [named, numbered] = [await since('deps'), await since('1')];
    expect(named.layers.slice(0, -1)).toEqual(deps.layers);
    const added = await listLayer(readLayout(join(home, 'since-deps')).layers.at(-1)!, join(home, 'flat'));
    expect(added.map(({ path }) => path).toSorted()).toEqual(['one', 'other', 'two']);
    expect(named.config.history!.filter(({ empty_layer }) => empty_layer !== true).at(-1)).toMatchObject({
      comment: 'merge of all layers since the stage deps',
    });
    expect(named.config.history).toHaveLength(deps.config.history!.length + 4);
    expect(numbered.digest).toBe(named.digest);
    await expect(since('other')).rejects.toMatchObject({ code: 'STAGE_NOT_FOUND', hint: 'It stands on deps.' });
  });
});
