import {
  BuildError,
  type Digest,
  digestOf,
  formatReference,
  isBuildError,
  isDigest,
  type RunContext,
} from '../core/index.ts';
import { type Descriptor, type Index, MEDIA_TYPES, parseIndex, parseManifestOrIndex } from '../oci/index.ts';
import type { RegistryRequest } from './exchange.ts';
import { nextPage } from './lists.ts';
import { fetchManifest, type Located, MANIFEST_LIMIT, type ManifestDeps, putManifest } from './manifests.ts';
import { pushScopes, repositoryScope } from './scope.ts';
import type { FetchedManifest } from './types.ts';

const MOST_PAGES = 1_000;

/** A document in a repository, by digest. */
export interface Subject extends Located {
  readonly reference: Located['reference'] & { readonly digest: Digest };
}

/**
 * What names a document as its subject (distribution-spec, "Listing Referrers"): asked of the registry, or read under the
 * referrers tag where it has no such list. None where neither is there.
 */
export async function fetchReferrers(
  deps: ManifestDeps,
  subject: Subject,
  context: RunContext,
): Promise<readonly Descriptor[]> {
  const { endpoint, reference } = subject;
  const found: Descriptor[] = [];
  let target: string | URL = `./${endpoint.repository}/referrers/${reference.digest}`;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const request: RegistryRequest = {
      purpose: `list what refers to ${formatReference(reference)}`,
      method: 'GET',
      target,
      headers: { accept: MEDIA_TYPES.ociIndex },
      scopes: [repositoryScope(endpoint.repository, 'pull')],
      expect: [200, 400, 404, 405, 501],
    };
    const { response, bytes } = await deps.exchange.fetch(endpoint, { ...request, limit: MANIFEST_LIMIT }, context);
    const isList = response.status === 200 && /^application\/vnd\.oci\.image\.index/.test(header(response));
    if (!isList) return (await readTag(deps, subject, context))?.manifests ?? [];
    found.push(...parseIndex(bytes).manifests);
    const next = nextPage(response.header('link'), response.url);
    if (next === undefined) return found;
    target = next;
  }
  throw new BuildError(
    'REGISTRY_PROTOCOL',
    `${endpoint.registry} lists what refers to ${formatReference(reference)} without end.`,
  );
}

function header(response: { header(name: string): string | undefined }): string {
  return response.header('content-type') ?? '';
}

/**
 * Puts a manifest, and where it has a subject of which the registry takes no note itself, into the index under the referrers
 * tag (distribution-spec, "Pushing Manifests with Subject"). Two who do that at once may lose one of the entries: the
 * protocol has no way around that.
 */
export async function putReferringManifest(
  deps: ManifestDeps,
  at: Located & { readonly manifest: FetchedManifest },
  context: RunContext,
): Promise<void> {
  const { manifest, endpoint, reference } = at;
  const { subjectIsKnown } = await putManifest(deps, at, context);
  if (subjectIsKnown) return;
  const entry = referrerOf(manifest);
  if (entry === undefined) return;
  const { registry, repository } = reference;
  const subject: Subject = {
    endpoint,
    reference: { registry, repository, digest: entry.subject },
    scopes: pushScopes(endpoint.repository),
  };
  const index = await readTag(deps, subject, context, { strict: true });
  if (index?.manifests.some(({ digest }) => digest === manifest.descriptor.digest) === true) return;
  await writeTag(deps, subject, [...(index?.manifests ?? []), entry.descriptor], context);
}

/** How a manifest stands in a list of referrers; undefined when it has no subject. */
function referrerOf({
  bytes,
  descriptor,
}: FetchedManifest): { readonly subject: Digest; readonly descriptor: Descriptor } | undefined {
  // Almost nothing has a subject: most documents need no second look.
  if (!bytes.includes('"subject"')) return undefined;
  const document = parseManifestOrIndex(bytes, descriptor);
  const { artifactType, annotations, subject } = document.kind === 'manifest' ? document.manifest : document.index;
  if (subject === undefined || !isDigest(subject.digest)) return undefined;
  const type = artifactType ?? (document.kind === 'manifest' ? document.manifest.config.mediaType : undefined);
  const { mediaType, digest, size } = descriptor;
  return {
    subject: subject.digest,
    descriptor: {
      mediaType,
      digest,
      size,
      ...(type === undefined ? {} : { artifactType: type }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
}

/** The tag under which referrers of a digest are listed (distribution-spec, "Referrers Tag Schema"). */
export function referrersTag(digest: Digest | string): string {
  const [algorithm = '', encoded = ''] = digest.split(/:(.*)/s);
  return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`.replace(/[^\w.-]/g, '-');
}

/** Undefined when nothing is there, or with `strict` only then: something else is refused then, and left alone. */
async function readTag(
  deps: ManifestDeps,
  subject: Subject,
  context: RunContext,
  { strict = false }: { readonly strict?: boolean } = {},
): Promise<Index | undefined> {
  const { digest, ...repository } = subject.reference;
  const reference = { ...repository, tag: referrersTag(digest) };
  try {
    const { descriptor, bytes } = await fetchManifest(deps, { ...subject, reference }, context);
    const document = parseManifestOrIndex(bytes, descriptor);
    if (document.kind === 'index') return document.index;
  } catch (error) {
    if (isBuildError(error, 'IMAGE_NOT_FOUND')) return undefined;
    throw error;
  }
  if (!strict) return undefined;
  throw new BuildError(
    'REGISTRY_PROTOCOL',
    `Could not note what refers to ${digest}: ${formatReference(reference)} is an image, and no list of referrers.`,
    { hint: `Delete that tag if it is not needed, or push to a registry with the referrers API.` },
  );
}

async function writeTag(
  deps: ManifestDeps,
  subject: Subject,
  manifests: readonly Descriptor[],
  context: RunContext,
): Promise<void> {
  const { digest, ...repository } = subject.reference;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }));
  const manifest: FetchedManifest = {
    bytes,
    descriptor: { mediaType: MEDIA_TYPES.ociIndex, digest: digestOf(bytes), size: bytes.length },
  };
  await putManifest(deps, { ...subject, reference: { ...repository, tag: referrersTag(digest) }, manifest }, context);
}
