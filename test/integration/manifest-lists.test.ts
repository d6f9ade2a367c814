import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNativeBackend } from '../../src/backends/native/native-backend.ts';
import { openRegistry } from '../../src/backends/open-registry.ts';
import type { BuildBackend, ManifestList } from '../../src/backends/types.ts';
import { createServices } from '../../src/cli/native-services.ts';
import type { BuildEvent, Digest, RunContext } from '../../src/core/index.ts';
import {
  type Descriptor,
  type Index,
  MEDIA_TYPES,
  parseIndex,
  parseManifest,
  toDockerManifest,
} from '../../src/oci/index.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { runFake } from '../cli/fake-context.ts';
import { putImage, putIndex } from '../cli/store-fixture.ts';
import { type DockerRegistry, missingPrograms, startDockerRegistry } from '../registry/docker-registry.ts';

const context: RunContext = { signal: new AbortController().signal, emit: () => undefined };
const home = mkdtempSync(join(tmpdir(), 'zlayer-lists-'));
const LACKING = missingPrograms('docker-registry', 'skopeo');

let store: Store;
let backend: BuildBackend;
const registries = openRegistry();
const images: Record<string, Descriptor> = {};

beforeAll(async () => {
  store = await openStore({ root: join(home, 'store') });
  backend = createNativeBackend({ store, registry: registries.client });
  for (const architecture of ['amd64', 'arm64', 's390x']) {
    images[architecture] = await putImage(store, {
      names: [`docker.io/library/app:${architecture}`],
      layers: [`layer of ${architecture}`, 'the same for all'],
      config: { architecture },
    });
  }
});
afterAll(async () => {
  await registries.close();
  rmSync(home, { recursive: true, force: true });
});

const platforms = (list: ManifestList): readonly (string | undefined)[] =>
  list.members.map(
    ({ platform }) => platform && [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/'),
  );
const digestsOf = (list: ManifestList): readonly Digest[] => list.members.map(({ digest }) => digest);

async function toDockerImage(image: Descriptor, name: string): Promise<Descriptor> {
  const bytes = await store.blobs.read({ digest: image.digest, sizeBytes: image.size });
  const { digest, sizeBytes } = await store.blobs.put(
    Buffer.from(JSON.stringify(toDockerManifest(parseManifest(bytes)))),
  );
  const descriptor = { mediaType: MEDIA_TYPES.dockerManifest, digest, size: sizeBytes };
  await store.images.set([name], descriptor);
  return descriptor;
}

describe('manifest lists of the native backend', () => {
  it('are OCI indexes under a name, with the platforms of the images and what is said of them', async () => {
    const empty = await backend.manifestCreate({ list: 'list:1' }, context);
    expect(empty).toMatchObject({
      reference: 'docker.io/library/list:1',
      mediaType: MEDIA_TYPES.ociIndex,
      members: [],
    });
    await backend.manifestAdd({ list: 'list:1', image: 'app:amd64' }, context);
    const list = await backend.manifestAdd(
      { list: 'list:1', image: 'app:arm64', platform: 'linux/arm64/v9', annotations: { tier: 'edge' } },
      context,
    );
    expect(platforms(list)).toEqual(['linux/amd64', 'linux/arm64/v9']);
    expect(list.members[1]?.annotations).toEqual({ tier: 'edge' });
    const stored = parseIndex(await store.blobs.read({ digest: list.digest, sizeBytes: list.sizeBytes }));
    expect(stored.manifests.map(({ digest }) => digest)).toEqual([images['amd64']!.digest, images['arm64']!.digest]);
    expect(await backend.manifestInspect('list:1', context)).toEqual(list);
  });

  it('replace a member of the same digest where it stands', async () => {
    const again = await backend.manifestAdd(
      { list: 'list:1', image: 'app:amd64', platform: 'linux/amd64/v2' },
      context,
    );
    expect(platforms(again)).toEqual(['linux/amd64/v2', 'linux/arm64/v9']);
  });

  it('leave no nameless list behind when they change', async () => {
    const nameless = (await store.images.list()).filter(({ reference }) => reference === undefined);
    expect(nameless).toEqual([]);
  });

  it('lose none of many changes at once', async () => {
    await backend.manifestCreate({ list: 'busy' }, context);
    const other = createNativeBackend({ store: await openStore({ root: store.root }), registry: registries.client });
    const words = ['app:amd64', 'app:arm64', 'app:s390x'];
    await Promise.all(
      words.map((image, index) => (index === 1 ? other : backend).manifestAdd({ list: 'busy', image }, context)),
    );
    expect(digestsOf(await backend.manifestInspect('busy', context)).toSorted()).toEqual(
      Object.values(images)
        .map(({ digest }) => digest)
        .toSorted(),
    );
  });

  it('take the images of an index, nested ones and Docker lists too, but no attestations', async () => {
    const docker = await toDockerImage(images['s390x']!, 'docker.io/library/docker:s390x');
    const inner = await store.blobs.put(
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA_TYPES.dockerIndex,
          manifests: [{ ...docker, platform: { os: 'linux', architecture: 's390x' } }],
        }),
      ),
    );
    await putIndex(store, 'docker.io/library/outer:1', [
      { ...images['amd64']!, platform: { os: 'linux', architecture: 'amd64' } },
      {
        ...images['arm64']!,
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
      },
      { mediaType: MEDIA_TYPES.dockerIndex, digest: inner.digest, size: inner.sizeBytes },
    ]);
    await backend.manifestCreate({ list: 'flat' }, context);
    const list = await backend.manifestAdd({ list: 'flat', image: 'outer:1' }, context);
    expect(digestsOf(list)).toEqual([images['amd64']!.digest, docker.digest]);
    expect(list.mediaType).toBe(MEDIA_TYPES.ociIndex);
    await backend.manifestCreate({ list: 'one' }, context);
    const one = await backend.manifestAdd({ list: 'one', image: 'outer:1', platform: 'linux/s390x' }, context);
    expect(digestsOf(one)).toEqual([docker.digest]);
  });

  it("are Docker's list as long as they hold images of Docker's types alone", async () => {
    const docker = await toDockerImage(images['amd64']!, 'docker.io/library/docker:amd64');
    await backend.manifestCreate({ list: 'dockers' }, context);
    const alone = await backend.manifestAdd({ list: 'dockers', image: 'docker:amd64' }, context);
    expect([alone.mediaType, digestsOf(alone)]).toEqual([MEDIA_TYPES.dockerIndex, [docker.digest]]);
    const mixed = await backend.manifestAdd({ list: 'dockers', image: 'app:arm64' }, context);
    expect(mixed.mediaType).toBe(MEDIA_TYPES.ociIndex);
    const again = await backend.manifestRemove({ list: 'dockers', digest: images['arm64']!.digest }, context);
    expect(again.digest).toBe(alone.digest);
  });

  it.each([
    ['create over an image', () => backend.manifestCreate({ list: 'app:amd64' }, context), 'USAGE'],
    ['inspect an image', () => backend.manifestInspect('app:amd64', context), 'USAGE'],
    ['inspect nothing', () => backend.manifestInspect('nothing', context), 'IMAGE_NOT_FOUND'],
    [
      'push an empty list',
      async () => {
        await backend.manifestCreate({ list: 'void' }, context);
        return backend.manifestPush({ list: 'void' }, context);
      },
      'USAGE',
    ],
    [
      'remove what is not there',
      () => backend.manifestRemove({ list: 'flat', digest: `sha256:${'0'.repeat(64)}` }, context),
      'IMAGE_NOT_FOUND',
    ],
  ])('refuse to %s', async (_what, act, code) => {
    await expect(act()).rejects.toMatchObject({ code });
  });
});

describe.skipIf(LACKING.length > 0)('manifest lists and a registry that wants a password', () => {
  const login = { kind: 'basic', username: 'ann', password: 'secret' } as const;
  let registry: DockerRegistry;
  beforeAll(async () => {
    // bcrypt of "secret", as `htpasswd -B` writes it.
    const htpasswd = 'ann:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';
    registry = await startDockerRegistry({ htpasswd });
  });
  afterAll(() => registry.stop());
  const skopeo = (...args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync('skopeo', args, { encoding: 'utf8' });
    expect(`${status} ${stderr}`).toMatch(/^0 /);
    return stdout;
  };
  const signIn = ['--tls-verify=false', '--creds', `${login.username}:${login.password}`];

  it('sends all members and then the list with the sign-in of the request, which is told nowhere', async () => {
    const events: BuildEvent[] = [];
    const observed = { ...context, emit: (event: BuildEvent) => events.push(event) };
    const destination = `${registry.host}/team/app:1`;
    await backend.manifestCreate({ list: 'sent' }, context);
    for (const image of ['app:amd64', 'app:arm64']) await backend.manifestAdd({ list: 'sent', image }, context);
    await expect(backend.manifestPush({ list: 'sent', destination }, context)).rejects.toMatchObject({
      code: 'REGISTRY_UNAUTHORIZED',
    });
    const wrong = { [registry.host]: { ...login, password: 'wrong-horse' } };
    const refusal = await backend
      .manifestPush({ list: 'sent', destination, credentials: wrong }, observed)
      .catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'REGISTRY_UNAUTHORIZED', facts: { credentialSource: 'the request' } });
    expect(JSON.stringify([refusal, String(refusal)])).not.toContain('wrong-horse');
    const credentials = { [`https://${registry.host}/v2/`]: login };
    const receipt = await backend.manifestPush({ list: 'sent', destination, credentials }, observed);
    expect(JSON.stringify(events)).not.toContain(`"${login.password}"`);
    expect(JSON.stringify(events)).not.toContain(Buffer.from(`ann:${login.password}`).toString('base64'));
    expect(receipt.reference).toBe(destination);
    const raw = skopeo('inspect', ...signIn, '--raw', `docker://${destination}`);
    const index = JSON.parse(raw) as Index;
    expect(index.manifests.map(({ platform }) => platform?.architecture)).toEqual(['amd64', 'arm64']);
    for (const { digest } of index.manifests) {
      skopeo('inspect', ...signIn, '--raw', `docker://${registry.host}/team/app@${digest}`);
    }
    skopeo(
      'copy',
      '--all',
      '--src-tls-verify=false',
      '--src-creds',
      'ann:secret',
      `docker://${destination}`,
      `oci:${home}/copied:1`,
    );
    expect(readFileSync(join(home, 'copied/index.json'), 'utf8')).toContain(receipt.digest);
  });

  it('takes members from a registry where the store has no such image, with all their blobs', async () => {
    const fresh = await openStore({ root: join(home, 'fresh') });
    const other = createNativeBackend({ store: fresh, registry: registries.client });
    const credentials = { [registry.host]: login };
    await other.manifestCreate({ list: 'from-registry' }, context);
    const input = { list: 'from-registry', image: `docker://${registry.host}/team/app:1`, credentials };
    const list = await other.manifestAdd(input, context);
    expect(platforms(list)).toEqual(['linux/amd64', 'linux/arm64']);
    await fresh.prune({});
    const destination = `${registry.host}/other/app:2`;
    await other.manifestPush({ list: 'from-registry', destination, credentials }, context);
    skopeo(
      'copy',
      '--all',
      '--src-tls-verify=false',
      '--src-creds',
      'ann:secret',
      `docker://${destination}`,
      `oci:${home}/again:2`,
    );
    await other.manifestCreate({ list: 'arm-only' }, context);
    const arm = await other.manifestAdd({ ...input, list: 'arm-only', platform: 'linux/arm64' }, context);
    expect(digestsOf(arm)).toEqual([list.members[1]!.digest]);
  });

  it('pushes an image of the store by its digest to another name', async () => {
    const credentials = { [registry.host]: login };
    const destination = `${registry.host}/single:1`;
    await expect(backend.pushImage({ image: images['amd64']!.digest, credentials }, context)).rejects.toMatchObject({
      code: 'USAGE',
    });
    const receipt = await backend.pushImage({ image: images['amd64']!.digest, destination, credentials }, context);
    expect(skopeo('inspect', ...signIn, '--format', '{{.Digest}}', `docker://${destination}`).trim()).toBe(
      receipt.digest,
    );
  });
});

describe('zlayer manifest', () => {
  const run = (...args: readonly string[]) =>
    runFake([...args, '--data-dir', store.root], { services: createServices(process.env) });

  it('creates, adds, annotates, removes and shows', async () => {
    expect((await run('manifest', 'create', 'cli:1', 'app:amd64')).stdout).toMatch(
      /^cli:1: sha256:[0-9a-f]{64}\nPLATFORM.*\nlinux\/amd64 /,
    );
    await run('manifest', 'add', 'cli:1', 'app:arm64', 'app:s390x', '--annotation', 'a=b');
    await run('manifest', 'annotate', '--variant', 'v8', '--annotation', 'c=d', 'cli:1', 'app:arm64');
    await run('manifest', 'remove', 'cli:1', images['s390x']!.digest);
    const { stdout } = await run('manifest', 'inspect', '--format', 'json', 'cli:1');
    const list = JSON.parse(stdout) as { readonly members: readonly unknown[] };
    expect(list.members).toMatchObject([
      { digest: images['amd64']!.digest, platform: 'linux/amd64', annotations: {} },
      { digest: images['arm64']!.digest, platform: 'linux/arm64', annotations: { a: 'b', c: 'd' } },
    ]);
  });

  it('goes on with a list that is there only when told to', async () => {
    const again = await run('manifest', 'create', 'cli:1');
    expect([again.status, again.stderr]).toEqual([2, expect.stringContaining('there is an image of that name')]);
    expect((await run('manifest', 'create', '--amend', 'cli:1', 'app:s390x')).stdout.match(/linux\//g)).toHaveLength(3);
  });

  it('says what is wrong', async () => {
    const missing = await run('manifest', 'annotate', '--arch', 'arm', 'cli:1', `sha256:${'1'.repeat(64)}`);
    expect([missing.status, missing.stderr]).toEqual([1, expect.stringContaining('has no member')]);
    expect((await run('manifest', 'push', 'none:1')).stderr).toContain('zlayer manifest create none:1');
  });
});
