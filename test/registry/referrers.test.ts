import { afterEach, describe, expect, it } from 'vitest';
import { copyImage } from '../../src/copy/index.ts';
import { type Digest, digestOf } from '../../src/core/index.ts';
import { type Descriptor, MEDIA_TYPES } from '../../src/oci/index.ts';
import { pushImage } from '../../src/registry/index.ts';
import { type FaultRegistry, type FaultRegistryOptions, startFaultRegistry } from './fault-registry.ts';
import { descriptorIn, indexIn, manifestIn } from './memory-images.ts';
import { createMemoryBlobs, createTestContext, type MemoryBlobs } from './memory-sink.ts';
import { createTestClient, failureOf, referenceTo } from './test-client.ts';

const SIGNATURE = 'application/vnd.example.signature';
const closers: Array<() => Promise<void>> = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function signatureIn(blobs: MemoryBlobs, subject: Descriptor, text: string): Descriptor {
  const { mediaType, digest, size } = subject;
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: descriptorIn(blobs, '{}', SIGNATURE),
    layers: [descriptorIn(blobs, text, 'text/plain')],
    subject: { mediaType, digest, size },
    annotations: { text },
  };
  return descriptorIn(blobs, document, MEDIA_TYPES.ociManifest);
}

async function setUp(options: FaultRegistryOptions = {}) {
  const registry = await startFaultRegistry(options);
  const { client } = createTestClient();
  closers.push(client.close, registry.close);
  const blobs = createMemoryBlobs();
  const context = createTestContext();
  const image = manifestIn(blobs, ['a']);
  const push = (manifest: Descriptor, at: FaultRegistry = registry) => {
    const { digest } = manifest;
    const reference = { registry: at.host, repository: 'app', digest };
    return pushImage(client, { source: blobs, manifest, reference }, context);
  };
  await push(image);
  const list = async (digest: Digest = image.digest) => {
    const found = await client.listReferrers({ registry: registry.host, repository: 'app', digest }, context);
    return found.map((entry) => entry.digest);
  };
  const tag = `sha256-${image.digest.slice('sha256:'.length)}`;
  const tagged = (): { readonly manifests: readonly Descriptor[] } | undefined => {
    const bytes = registry.manifest('app', tag)?.bytes;
    return bytes === undefined ? undefined : JSON.parse(bytes.toString());
  };
  return { registry, client, blobs, context, image, push, list, tag, tagged };
}

describe('listReferrers()', () => {
  it('asks the registry, joins the pages, and gives nothing for what nothing refers to', async () => {
    const { blobs, image, push, list, tagged } = await setUp({ referrersPerPage: 2 });
    const signatures = ['1', '2', '3'].map((text) => signatureIn(blobs, image, text));
    for (const signature of signatures) await push(signature);
    expect((await list()).sort()).toEqual(signatures.map(({ digest }) => digest).sort());
    expect(await list(digestOf('nothing'))).toEqual([]);
    expect(tagged()).toBeUndefined();
  });

  it('reads the referrers tag where the registry has no list, and takes anything else there for none', async () => {
    const { registry, blobs, image, push, list, tag } = await setUp();
    expect(await list()).toEqual([]);
    const signature = signatureIn(blobs, image, '1');
    await push(signature);
    expect(await list()).toEqual([signature.digest]);
    registry.putManifest('app', tag, blobs.blobs.get(image.digest), MEDIA_TYPES.ociManifest);
    expect(await list()).toEqual([]);
  });
});

describe('pushManifest() of a manifest with a subject', () => {
  it('adds it to the referrers tag of a registry without a list, once, with its type and annotations', async () => {
    const { registry, blobs, image, push, tagged } = await setUp();
    const [one, two] = [signatureIn(blobs, image, '1'), signatureIn(blobs, image, '2')];
    for (const signature of [one, two]) await push(signature);
    const expected = [one, two].map((entry, at) => ({
      ...entry,
      artifactType: SIGNATURE,
      annotations: { text: String(at + 1) },
    }));
    expect(tagged()?.manifests).toEqual(expected);
    registry.inject({ method: 'HEAD', path: new RegExp(one.digest), answer: { status: 404 } });
    await push(one);
    expect(tagged()?.manifests).toEqual(expected);
  });

  it('takes a subject that is not there', async () => {
    const { blobs, push, list } = await setUp();
    const absent = manifestIn(createMemoryBlobs(), ['later']);
    const signature = signatureIn(blobs, absent, '1');
    await push(signature);
    expect(await list(absent.digest)).toEqual([signature.digest]);
  });

  it('leaves something else under the referrers tag alone, and says so', async () => {
    const { registry, blobs, image, push, tag } = await setUp();
    const bytes = blobs.blobs.get(image.digest)!;
    registry.putManifest('app', tag, bytes, MEDIA_TYPES.ociManifest);
    expect((await failureOf(push(signatureIn(blobs, image, '1')))).code).toBe('REGISTRY_PROTOCOL');
    expect(registry.manifest('app', tag)?.bytes).toEqual(bytes);
  });
});

describe('copyImage() with referrers', () => {
  it.each([
    [2, undefined],
    [undefined, 2],
  ])('takes signatures along, and what refers to them (from %s a page to %s)', async (source, destination) => {
    const page = (size: number | undefined) => (size === undefined ? {} : { referrersPerPage: size });
    const { registry, client, blobs, context, image, push } = await setUp(page(source));
    const to = await startFaultRegistry(page(destination));
    closers.push(to.close);
    const index = indexIn(blobs, [image]);
    const ofMember = signatureIn(blobs, image, 'member');
    const ofIndex = signatureIn(blobs, index, 'index');
    const ofSignature = signatureIn(blobs, ofIndex, 'signature');
    for (const manifest of [index, ofMember, ofIndex, ofSignature]) await push(manifest);
    const cosign = `sha256-${index.digest.slice('sha256:'.length)}.sig`;
    registry.putManifest('app', cosign, blobs.blobs.get(image.digest), MEDIA_TYPES.ociManifest);
    const deps = {
      store: () => Promise.reject(new Error('no store')),
      source: async () => client,
      destination: async () => client,
    };
    const place = (at: FaultRegistry, name: string, digest?: Digest) => {
      const reference = { ...referenceTo(at.host, name), ...(digest === undefined ? {} : { digest }) };
      return { kind: 'registry', reference } as const;
    };
    const request = { source: place(registry, 'app:1', index.digest), destination: place(to, 'copied:1') };
    expect(await copyImage(deps, { ...request, referrers: true }, context)).toMatchObject({ referrers: 4 });
    for (const [subject, signature] of [
      [image, ofMember],
      [index, ofIndex],
      [ofIndex, ofSignature],
    ] as const) {
      const at = { registry: to.host, repository: 'copied', digest: subject.digest };
      const found = await client.listReferrers(at, context);
      expect(found.map(({ digest }) => digest)).toEqual([signature.digest]);
    }
    expect(to.manifest('copied', cosign)?.bytes).toEqual(blobs.blobs.get(image.digest));

    const elsewhere = { ...request, destination: { kind: 'store', name: 'app:1' }, referrers: true } as const;
    expect((await failureOf(copyImage(deps, elsewhere, context))).code).toBe('UNSUPPORTED');
  });
});
