import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PushAuth } from '../../src/rpc/index.ts';
import { lacksPrograms } from '../support/host.ts';
import { runOk } from '../support/process.ts';
import { openRegistry, type Registry } from '../support/registry.ts';
import { collect } from './collect-events.ts';
import { type BuildClient, type DaemonFixture, openDaemon } from './daemon-fixture.ts';
import { parseResult } from './parse-result.ts';
import { openRegistryProxy, type RegistryProxy } from './registry-proxy.ts';

const BASE = 'localhost/busybox:latest';
const USER = Buffer.from('builder:s3cret-word').toString('base64');
const SIGN_IN = { username: 'builder', password: 's3cret-word', identityToken: '', registryToken: '' } as Omit<
  PushAuth,
  '$typeName'
>;

let fixture: DaemonFixture;
let client: BuildClient;
beforeAll(async () => {
  fixture = await openDaemon();
  client = await fixture.connect();
});
afterAll(async () => {
  await fixture?.close();
});

const build = (dockerfile: string, more: object = {}) =>
  collect(
    client.build({
      layers: true,
      ...more,
      extension: { dockerfile: Buffer.from(dockerfile), ...(more as { extension?: object }).extension },
    }),
  );

describe('images of a daemon', () => {
  it('are exported as an OCI layout, whole', async () => {
    const built = await build('FROM scratch\nENV A=1\n', { tags: ['localhost/exported'] });
    const result = parseResult(built.finished!.resultJson);
    const chunks: Uint8Array[] = [];
    for await (const { data } of client.export({ image: result.digest, references: ['localhost/exported:latest'] }))
      chunks.push(data);
    const file = join(fixture.directory, 'exported.tar');
    writeFileSync(file, Buffer.concat(chunks));
    const { stdout } = await runOk(['tar', '-xOf', file, 'index.json']);
    const index = JSON.parse(stdout) as { manifests: ReadonlyArray<{ digest: string }> };
    expect(index.manifests.map(({ digest }) => digest)).toEqual([result.digest]);
    const listing = await runOk(['tar', '-tf', file]);
    expect(listing.stdout).toContain(`blobs/sha256/${result.configDigest.slice(7)}`);
  });

  it('are listed, inspected, renamed and removed, by every client', async () => {
    await build(`FROM ${BASE}\nLABEL who=first\n`, { tags: ['localhost/shared:1'] });
    const other = await fixture.connect('other');
    const details = await other.inspectImage({ image: 'localhost/shared:1' });
    expect(details.summary?.references).toEqual(['localhost/shared:1']);
    expect(JSON.parse(Buffer.from(details.configJson).toString())).toMatchObject({
      config: { Labels: { who: 'first' } },
    });
    await other.tag({ image: 'localhost/shared:1', newTag: 'localhost/shared:2' });
    await client.removeImage({ reference: 'localhost/shared:1' });
    const { images } = await client.listImages({});
    const names = images.flatMap(({ references }) => references);
    expect(names).toContain('localhost/shared:2');
    expect(names).not.toContain('localhost/shared:1');
    await expect(client.removeImage({ reference: 'localhost/shared:1' })).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
    });
    expect((await client.prune({ dryRun: true, all: true })).freedBytes).toBeGreaterThanOrEqual(0n);
  });

  it('of several platforms are an index, which the last event names', async () => {
    const built = await build('FROM scratch\nENV A=1\n', {
      platforms: ['linux/amd64', 'linux/arm64'],
      tags: ['localhost/both'],
    });
    expect(built.error?.message).toBeUndefined();
    const { images } = await client.listImages({});
    const both = images.find(({ references }) => references.includes('localhost/both:latest'));
    expect(built.finished?.manifestRef).toBe(both?.digest);
    expect(both?.platforms).toEqual(['linux/amd64', 'linux/arm64']);
    const refused = await build('FROM scratch\nENV A=1\n', { platforms: ['linux/amd64,linux/arm64'] });
    expect(refused.error?.message).toContain('platforms');
  });
});

describe.skipIf(lacksPrograms('test/buildd/images', ['docker-registry']))('sign-ins of a request', () => {
  let registry: Registry;
  let door: RegistryProxy;
  beforeAll(async () => {
    registry = await openRegistry(fixture.directory);
    door = await openRegistryProxy(registry.host, ({ headers }, outgoing) => {
      if (headers.authorization === `Basic ${USER}`) return true;
      outgoing.writeHead(401, { 'www-authenticate': 'Basic realm="door"' }).end();
      return false;
    });
  });
  afterAll(async () => {
    await door?.close();
    await registry?.close();
  });

  it('are used for pushes and for bases, by their registry, and never kept', async () => {
    const name = `${door.host}/private/image:1`;
    await build('FROM scratch\nENV A=1\n', { tags: [name] });
    await expect(client.push({ image: name })).rejects.toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
    await expect(client.push({ image: name, auth: SIGN_IN as PushAuth })).resolves.toMatchObject({
      receipt: { reference: name },
    });
    await expect(client.push({ image: name })).rejects.toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
    await client.removeImage({ reference: name });
    const from = `FROM ${name}\nENV B=2\n`;
    const refused = await build(from, { pullPolicy: 'always' });
    expect(refused.error?.code).toBe('REGISTRY_UNAUTHORIZED');
    const pushed = `${door.host}/private/other:1`;
    const built = await build(from, {
      pullPolicy: 'always',
      tags: [pushed],
      extension: { credentials: { [door.host]: SIGN_IN }, push: true },
    });
    expect(built.error?.message).toBeUndefined();
    const answer = await fetch(`http://${registry.host}/v2/private/other/manifests/1`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    expect(answer.headers.get('docker-content-digest')).toBe(parseResult(built.finished!.resultJson).digest);
    expect(fixture.lines.join('')).not.toContain('s3cret-word');
  });

  it('open a shared cache, which is written and read', async () => {
    const cache = `${door.host}/private/cache:main`;
    const text = 'FROM scratch\nCOPY <<E /made\nby one builder\nE\n';
    const credentials = { [door.host]: SIGN_IN };
    const written = await build(text, { cacheTo: cache, extension: { credentials } });
    expect(written.error?.message).toBeUndefined();
    const answer = await fetch(`http://${registry.host}/v2/private/cache/manifests/main`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    const { layers } = (await answer.json()) as { readonly layers: readonly unknown[] };
    expect(layers).toHaveLength(1);
    // Only the shared cache knows of the step then.
    await client.prune({ all: true });
    const read = await build(text, { cacheFrom: `${door.host}/private/nothing, ${cache}`, extension: { credentials } });
    expect(read.error?.message).toBeUndefined();
    const finished = read.events.flatMap(({ event }) =>
      event.case === 'instructionFinished' ? [event.value.cached] : [],
    );
    expect(finished).toEqual([true]);
    const warnings = read.events.flatMap(({ event }) => (event.case === 'warning' ? [event.value.message] : []));
    expect(warnings).toEqual([expect.stringContaining('private/nothing:latest is not used: there is none yet')]);
  });
});
