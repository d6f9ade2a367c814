import {
  BuildError,
  type Digest,
  digestAlgorithm,
  digestHex,
  isBuildError,
  type Reference,
  type RunContext,
} from '../core/index.ts';
import { type Descriptor, isIndexType, readDocument } from '../oci/index.ts';
import { pushImage, type RegistryClient } from '../registry/index.ts';
import { createRegistrySource } from './registry-source.ts';
import type { CopyDeps, CopyRequest, ImageSource } from './types.ts';

/** Tags under which cosign keeps what belongs to a digest, where a registry has no list of referrers. */
const COSIGN_SUFFIXES = ['sig', 'att', 'sbom'];

/** @throws BuildError `UNSUPPORTED` unless both sides are registries: no other place knows referrers. */
export function checkReferrers({ source, destination }: CopyRequest): void {
  if (source.kind === 'registry' && destination.kind === 'registry') return;
  throw new BuildError('UNSUPPORTED', 'What refers to an image is copied from registry to registry alone.', {
    hint: 'Leave --referrers out; attestations that an index lists are copied with it.',
  });
}

interface Copied {
  readonly request: CopyRequest;
  readonly source: ImageSource;
  readonly root: Descriptor;
}

/**
 * Copies what refers to an image and to the members of its index, and what refers to that: signatures, attestations, bills
 * of materials. One after the other: a list of referrers that is kept under a tag has room for one writer. Gives their number.
 */
export async function copyReferrers(
  deps: CopyDeps,
  { request, source, root }: Copied,
  context: RunContext,
): Promise<number> {
  if (request.source.kind !== 'registry' || request.destination.kind !== 'registry') return 0;
  const clients = { source: await deps.source(), destination: await deps.destination() };
  const from = repositoryOf(request.source.reference);
  const to = repositoryOf(request.destination.reference);
  const copy = (reference: Reference, manifest: Descriptor) => {
    const blobs = createRegistrySource(clients.source, { reference: from, root: manifest }, context);
    const mountFrom = () => source.originsOf({ digest: manifest.digest, sizeBytes: manifest.size });
    return pushImage(clients.destination, { source: blobs, manifest, reference, mountFrom }, context);
  };
  const waiting = [...(await documentsOf(source, root))];
  const seen = new Set(waiting);
  let copied = 0;
  for (const digest of waiting) {
    for (const referrer of await clients.source.listReferrers({ ...from, digest }, context)) {
      if (seen.has(referrer.digest)) continue;
      seen.add(referrer.digest);
      waiting.push(referrer.digest);
      await copy({ ...to, digest: referrer.digest }, referrer);
      copied += 1;
    }
    for (const suffix of COSIGN_SUFFIXES) {
      const tag = `${digestAlgorithm(digest)}-${digestHex(digest)}.${suffix}`;
      const found = await findTag(clients.source, { ...from, tag }, context);
      if (found === undefined) continue;
      await copy({ ...to, tag }, found);
      copied += 1;
    }
  }
  return copied;
}

function repositoryOf({ registry, repository }: Reference): Reference {
  return { registry, repository };
}

async function findTag(
  client: RegistryClient,
  reference: Reference,
  context: RunContext,
): Promise<Descriptor | undefined> {
  try {
    return await client.resolve(reference, context);
  } catch (error) {
    if (isBuildError(error, 'IMAGE_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** The digests of a document and of all documents that it lists. */
async function documentsOf({ blobs }: ImageSource, descriptor: Descriptor): Promise<ReadonlySet<Digest>> {
  const found = new Set<Digest>();
  const visit = async (at: Descriptor): Promise<void> => {
    found.add(at.digest);
    const document = isIndexType(at.mediaType) ? await readDocument(blobs, at) : undefined;
    if (document?.kind === 'index') for (const member of document.index.manifests) await visit(member);
  };
  await visit(descriptor);
  return found;
}
