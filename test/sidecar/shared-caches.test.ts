import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildRequest } from '../../src/backends/index.ts';
import { type DaemonFixture, openDaemon } from '../buildd/daemon-fixture.ts';
import { missingForRun } from '../integration/busybox-image.ts';
import { S3_KEY, type S3Store, startS3Store } from '../integration/s3-store.ts';
import { type Observed, openRealClient, type RealClient, verdictOf } from './real-client.ts';

const lacking = missingForRun();
if (lacking !== undefined) process.stderr.write(`SKIPPED test/sidecar/shared-caches: ${lacking}\n`);

const DOCKERFILE = 'FROM scratch AS one\nCOPY a /a\nFROM one\nCOPY b /b\n';
const FILES = { a: 'the first file', b: 'the second file' };

/** Two daemons: what the second has not built, it has from a cache. */
describe.skipIf(lacking !== undefined)('a shared cache', () => {
  let first: DaemonFixture;
  let second: DaemonFixture;
  let writer: RealClient;
  let reader: RealClient;
  beforeAll(async () => {
    [first, second] = await Promise.all([openDaemon(), openDaemon()]);
    writer = await openRealClient(first);
    reader = await openRealClient(second);
  });
  afterAll(async () => {
    await Promise.all([writer?.close(), reader?.close()]);
    await Promise.all([first?.close(), second?.close()]);
  });

  const build = (client: RealClient, request: Partial<BuildRequest>, files: Readonly<Record<string, string>> = FILES) =>
    client.build({ dockerfile: DOCKERFILE, files, request });
  const warnings = ({ events }: Observed): readonly string[] =>
    events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
  const moved = ({ events }: Observed, word: string): number | undefined =>
    events
      .flatMap((event) => (event.kind === 'transfer' && event.done && event.name.includes(word) ? [event] : []))
      .at(-1)?.currentBytes;

  it('of a layout of the client comes to it, by the blobs that the layout lacks, and is sent to another daemon', async () => {
    const directory = join(first.directory, 'cache');
    const target = { kind: 'local', directory, mode: 'max' } as const;
    const written = await build(writer, { cacheTo: [target] });
    const firstBytes = moved(written, directory)!;
    const blobs = (): readonly string[] => readdirSync(join(directory, 'blobs/sha256')).toSorted();
    const before = blobs();
    // The same steps again: what is known of them may have changed, their layers stay where they are.
    expect(moved(await build(writer, { cacheTo: [target] }), directory) ?? 0).toBeLessThan(firstBytes);
    expect(blobs()).toHaveLength(before.length);
    const read = await build(reader, { cacheFrom: [{ kind: 'local', directory }] });
    expect([verdictOf(read, 'COPY a'), verdictOf(read, 'COPY b')]).toEqual(['cached', 'cached']);
    expect(warnings(read)).toEqual([]);
    // Two caches in one layout; what belongs to none any more goes.
    const changed = { ...FILES, b: 'something else' };
    await build(writer, { cacheTo: [{ ...target, tag: 'other', mode: 'min' }] }, changed);
    const { manifests } = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')) as { manifests: unknown[] };
    expect(manifests).toHaveLength(2);
    expect(blobs().length).toBeGreaterThan(before.length);
  });

  it('that is not there, or cannot be written, is told by the name that the client knows it by', async () => {
    const missing = join(first.directory, 'no-cache');
    expect(warnings(await build(writer, { cacheFrom: [{ kind: 'local', directory: missing }] }))).toEqual([
      `The cache ${missing} is not used: there is none yet.`,
    ]);
    const target = { kind: 'local', directory: join(first.tlsDirectory), mode: 'max' } as const;
    await expect(build(writer, { cacheTo: [target] })).rejects.toMatchObject({ code: 'OUTPUT_FAILED' });
    const ignored = await build(writer, { cacheTo: [{ ...target, ignoreError: true }] });
    expect(warnings(ignored)).toEqual([expect.stringContaining(`The cache ${first.tlsDirectory} was not written`)]);
  });

  describe('in S3', () => {
    let bucket: S3Store;
    beforeAll(async () => {
      bucket = await startS3Store();
    });
    afterAll(() => bucket?.close());

    it("is used with the client's keys, which nobody logs, and never with the daemon's", async () => {
      const { accessKeyId, secretAccessKey } = S3_KEY;
      const place = { kind: 's3', bucket: 'team', region: 'eu-1', usePathStyle: true } as const;
      const location = { ...place, endpointUrl: bucket.endpointUrl };
      const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      const keyed = await openRealClient(first, { env });
      const files = { ...FILES, b: 'in a bucket' };
      const written = await build(keyed, { cacheTo: [{ ...location, mode: 'max' }] }, files);
      expect([...bucket.objects.keys()]).toContain('team/manifests/latest');
      const read = await build(reader, { cacheFrom: [{ ...location, ...S3_KEY }] }, files);
      expect(warnings(read)).toEqual([]);
      expect(verdictOf(read, 'COPY b')).toBe('cached');
      const told = JSON.stringify([
        first.lines,
        second.lines,
        written.events,
        read.events,
        written.result,
        read.result,
      ]);
      expect(told).not.toContain(secretAccessKey);
      expect(told).not.toContain(accessKeyId);
      await keyed.close();
      await expect(build(writer, { cacheTo: [{ ...location, mode: 'max' }] })).rejects.toMatchObject({
        code: 'CREDENTIALS_INVALID',
      });
      // A client that sends none is not given those of the daemon's own environment.
      process.env['AWS_ACCESS_KEY_ID'] = accessKeyId;
      process.env['AWS_SECRET_ACCESS_KEY'] = secretAccessKey;
      try {
        const raw = await first.connect();
        const s3 = { bucket: 'team', region: 'eu-1', endpointUrl: bucket.endpointUrl, usePathStyle: true };
        const cachesTo = [{ place: { case: 's3' as const, value: s3 } }];
        const extension = { dockerfile: Buffer.from('FROM scratch\nENV A=1\n'), cachesTo };
        const events = [];
        for await (const { event } of raw.build({ extension, layers: true })) events.push(event);
        expect(events.at(-1)).toMatchObject({ case: 'error', value: { code: 'USAGE' } });
      } finally {
        delete process.env['AWS_ACCESS_KEY_ID'];
        delete process.env['AWS_SECRET_ACCESS_KEY'];
      }
    });
  });

  it('of a build is not there for other clients, nor once the build is forgotten', async () => {
    const mine = await first.connect();
    const other = await first.connect('other');
    const cachesTo = [{ place: { case: 'local' as const, value: {} } }];
    const extension = { dockerfile: Buffer.from('FROM scratch\nENV A=2\n'), cachesTo };
    for await (const _ of mine.build({ requestId: 'cached', extension, layers: true }));
    const read = async (client: typeof mine, requestId: string, more: object = {}): Promise<string> => {
      let text = '';
      for await (const { data } of client.readCache({ requestId, ...more })) text += Buffer.from(data).toString();
      return text;
    };
    expect(JSON.parse(await read(mine, 'cached'))).toMatchObject({
      config: { mediaType: expect.stringMatching(/cache/) },
    });
    await expect(read(other, 'cached')).rejects.toMatchObject({ code: 'BUILD_NOT_FOUND' });
    await expect(read(mine, 'cached', { position: 1 })).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    await expect(read(mine, 'cached', { want: [Buffer.from('../../../x')] })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(read(mine, 'cached', { want: [Buffer.alloc(32)] })).rejects.toMatchObject({ code: 'BLOB_MISSING' });
  });
});

describe.skipIf(lacking !== undefined)('a named context that is an image layout', () => {
  it('is sent by the image that is named, and read there alone', async () => {
    const daemon = await openDaemon();
    const client = await openRealClient(daemon);
    const layout = join(daemon.directory, 'layout');
    const write = (text: string, tag: string) =>
      client.build({
        dockerfile: 'FROM scratch\nCOPY file /file\n',
        files: { file: text },
        request: { tags: [tag], outputs: [{ kind: 'oci', destination: layout, tar: false }] },
      });
    await write('of the layout', 'localhost/wanted:1');
    await write('of another image', 'localhost/other:1');
    const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
      readonly manifests: ReadonlyArray<{ readonly digest: string }>;
    };
    const use = (reference: string) =>
      client.build({
        dockerfile: 'FROM localhost/busybox:latest\nCOPY --from=it /file /f\nRUN cat /f\n',
        request: { buildContexts: { it: `oci-layout://${reference}` } },
      });
    await expect(use(layout)).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    const { log, events } = await use(`${layout}@${manifests[0]!.digest}`);
    expect(log).toBe('of the layout');
    const sent = events.flatMap((event) =>
      event.kind === 'transfer' && event.name.includes('context it') ? [event] : [],
    );
    expect(sent.at(-1)?.totalBytes).toBeGreaterThan(0);
    const all = readdirSync(join(layout, 'blobs/sha256')).length;
    expect(all).toBe(6);
    expect(existsSync(join(daemon.storageRoot, 'buildd/contexts/0'))).toBe(true);
    const contents = countContents(join(daemon.storageRoot, 'buildd/contexts/0'));
    // The index, three blobs of one image, and the Dockerfiles and files of the contexts: nothing of the other image.
    for (const name of readdirSync(join(layout, 'blobs/sha256'))) {
      const isWanted = new Set(blobsOf(layout, manifests[0]!.digest)).has(name);
      expect(contents.has(name), name).toBe(isWanted);
    }
    await client.close();
    await daemon.close();
  });
});

function blobsOf(layout: string, digest: string): readonly string[] {
  const hex = digest.slice('sha256:'.length);
  const { config, layers } = JSON.parse(readFileSync(join(layout, 'blobs/sha256', hex), 'utf8')) as {
    readonly config: { readonly digest: string };
    readonly layers: ReadonlyArray<{ readonly digest: string }>;
  };
  return [hex, ...[config, ...layers].map((part) => part.digest.slice('sha256:'.length))];
}

function countContents(contexts: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const client of readdirSync(contexts).filter((name) => /^[0-9a-f]{64}$/.test(name))) {
    const folder = join(contexts, client, 'contents');
    for (const part of readdirSync(folder)) for (const name of readdirSync(join(folder, part))) found.add(name);
  }
  return found;
}
