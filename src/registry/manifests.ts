import {
  BuildError,
  createDigester,
  type Digest,
  digestAlgorithm,
  formatReference,
  isDigest,
  type Reference,
  type RunContext,
} from '../core/index.ts';
import { type Descriptor, MEDIA_TYPES } from '../oci/index.ts';
import type { Endpoint } from './endpoint.ts';
import type { BufferedResponse, Exchange, RegistryRequest } from './exchange.ts';
import { pushScopes, repositoryScope, type Scope } from './scope.ts';
import type { HttpResponse } from './transport.ts';
import type { FetchedManifest } from './types.ts';

/** What manifests of one registry are asked with. */
export interface ManifestDeps {
  readonly exchange: Exchange;
}

/** A reference at one of the places that serve it. */
export interface Located {
  readonly endpoint: Endpoint;
  readonly reference: Reference;
  /** Default: to pull. */
  readonly scopes?: readonly Scope[];
}

const ACCEPT = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerIndex,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerManifest,
] as const;
const KNOWN_TYPES: readonly string[] = ACCEPT;
const SCHEMA_1 = 'application/vnd.docker.distribution.manifest.v1';
/** Registries take manifests of up to 4 MiB. */
export const MANIFEST_LIMIT = 8 * 1024 * 1024;

/** @throws BuildError `IMAGE_NOT_FOUND`, `BLOB_DIGEST_MISMATCH`, `UNSUPPORTED` (schema 1), and those of the exchange. */
export async function fetchManifest(deps: ManifestDeps, at: Located, context: RunContext): Promise<FetchedManifest> {
  const request = { ...manifestRequest('GET', at), limit: MANIFEST_LIMIT };
  const answer = await deps.exchange.fetch(at.endpoint, request, context);
  const mediaType = checkMediaType(at, answer);
  const digest = checkDigest(at, answer);
  return { descriptor: { mediaType, digest, size: answer.bytes.length }, bytes: answer.bytes };
}

/** HEAD; GET where the registry refuses HEAD, or leaves out what is to be known. */
export async function resolveManifest(deps: ManifestDeps, at: Located, context: RunContext): Promise<Descriptor> {
  const found = await headManifest(deps, at, context);
  if (found === 'absent') throw absentError(at);
  return found === 'unclear' ? (await fetchManifest(deps, at, context)).descriptor : found;
}

/** Undefined when the registry does not hold it. */
export async function findManifest(
  deps: ManifestDeps,
  at: Located,
  context: RunContext,
): Promise<Descriptor | undefined> {
  const found = await headManifest(deps, at, context);
  return typeof found === 'string' ? undefined : found;
}

async function headManifest(
  deps: ManifestDeps,
  at: Located,
  context: RunContext,
): Promise<Descriptor | 'absent' | 'unclear'> {
  const request = { ...manifestRequest('HEAD', at), expect: [200, 404, 400, 405, 501] };
  const response = await deps.exchange.send(at.endpoint, request, context);
  await response.discard();
  if (response.status === 404) return 'absent';
  const size = Number(response.header('content-length') ?? Number.NaN);
  const mediaType = mediaTypeOf(response);
  const digest = at.reference.digest ?? response.header('docker-content-digest');
  const isClear =
    response.status === 200 &&
    KNOWN_TYPES.includes(mediaType) &&
    Number.isSafeInteger(size) &&
    size > 0 &&
    digest !== undefined &&
    isDigest(digest);
  return isClear ? { mediaType, digest, size } : 'unclear';
}

/** PUT under the tag, or under the digest where the reference has no tag. Tells whether the registry took note of a subject. */
export async function putManifest(
  deps: ManifestDeps,
  at: Located & { readonly manifest: FetchedManifest },
  context: RunContext,
): Promise<{ readonly subjectIsKnown: boolean }> {
  const { endpoint, reference, manifest } = at;
  const { bytes, descriptor } = manifest;
  const request: RegistryRequest = {
    purpose: `push the manifest of ${formatReference(reference)} (${bytes.length} bytes)`,
    method: 'PUT',
    target: `./${endpoint.repository}/manifests/${reference.tag ?? descriptor.digest}`,
    headers: { 'content-type': descriptor.mediaType, 'content-length': String(bytes.length) },
    body: () => bytes,
    scopes: pushScopes(endpoint.repository),
    expect: [200, 201, 202],
  };
  const response = await deps.exchange.send(endpoint, request, context);
  await response.discard();
  const stored = response.header('docker-content-digest');
  if (
    stored !== undefined &&
    isDigest(stored) &&
    stored !== descriptor.digest &&
    sameAlgorithm(stored, descriptor.digest)
  ) {
    throw mismatch(at, { expected: descriptor.digest, actual: stored });
  }
  return { subjectIsKnown: response.header('oci-subject') !== undefined };
}

/** @throws BuildError `IMAGE_NOT_FOUND`, `UNSUPPORTED` where the registry does not delete. */
export async function deleteManifest(deps: ManifestDeps, at: Located, context: RunContext): Promise<void> {
  const { endpoint, reference } = at;
  const request: RegistryRequest = {
    purpose: `delete ${formatReference(reference)}`,
    method: 'DELETE',
    target: `./${endpoint.repository}/manifests/${reference.digest ?? reference.tag}`,
    scopes: [repositoryScope(endpoint.repository, 'delete')],
    expect: [200, 202, 204, 400, 405],
    notFound: 'IMAGE_NOT_FOUND',
  };
  const response = await deps.exchange.send(endpoint, request, context);
  await response.discard();
  if (response.status !== 400 && response.status !== 405) return;
  throw new BuildError('UNSUPPORTED', `${endpoint.registry} does not delete ${formatReference(reference)}.`, {
    hint:
      reference.digest === undefined
        ? 'Some registries delete by digest only, with all tags of it: name the image as repository@sha256:….'
        : 'Deletion is switched off at this registry; ask who runs it.',
  });
}

function manifestRequest(method: 'GET' | 'HEAD', { endpoint, reference, scopes }: Located): RegistryRequest {
  return {
    purpose: `fetch the manifest of ${formatReference(reference)}`,
    method,
    target: `./${endpoint.repository}/manifests/${reference.digest ?? reference.tag}`,
    headers: { accept: ACCEPT.join(', ') },
    scopes: scopes ?? [repositoryScope(endpoint.repository, 'pull')],
    expect: [200],
    notFound: 'IMAGE_NOT_FOUND',
  };
}

/** Without parameters, in lower case. */
function mediaTypeOf(response: HttpResponse): string {
  return (response.header('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
}

/** The media type of a manifest: the header's, which must not contradict the document (image-spec, manifest.md). */
function checkMediaType(at: Located, { response, bytes }: BufferedResponse): string {
  const sent = mediaTypeOf(response);
  const document = parseDocument(at, bytes);
  if (sent.startsWith(SCHEMA_1) || document.schemaVersion === 1) throw schema1Error(at);
  const written = typeof document.mediaType === 'string' ? document.mediaType : undefined;
  if (written !== undefined && KNOWN_TYPES.includes(sent) && written !== sent) {
    throw protocolError(at, `it says "${written}" but came as "${sent}"`);
  }
  // Some registries send application/json or octet-stream; the document knows better.
  const guessed = Array.isArray(document.manifests) ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest;
  const mediaType = KNOWN_TYPES.includes(sent) ? sent : (written ?? guessed);
  if (KNOWN_TYPES.includes(mediaType)) return mediaType;
  throw protocolError(at, `its type "${mediaType}" is no image manifest and no index`);
}

function parseDocument(at: Located, bytes: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {}
  throw protocolError(at, 'it is no JSON document');
}

/** Verifies against the digest that was asked for, and against the one that the registry claims. */
function checkDigest(at: Located, { response, bytes }: BufferedResponse): Digest {
  const claimed = response.header('docker-content-digest');
  for (const expected of [at.reference.digest, claimed]) {
    if (expected === undefined || !isDigest(expected)) continue;
    const actual = digestOfBytes(bytes, digestAlgorithm(expected));
    if (actual !== expected) throw mismatch(at, { expected, actual });
  }
  return at.reference.digest ?? digestOfBytes(bytes, 'sha256');
}

function digestOfBytes(bytes: Uint8Array, algorithm: 'sha256' | 'sha512'): Digest {
  const digester = createDigester(algorithm);
  digester.update(bytes);
  return digester.digest();
}

function sameAlgorithm(a: Digest, b: Digest): boolean {
  return digestAlgorithm(a) === digestAlgorithm(b);
}

function mismatch({ endpoint, reference }: Located, facts: { expected: Digest; actual: Digest }): BuildError {
  return new BuildError(
    'BLOB_DIGEST_MISMATCH',
    `The manifest of ${formatReference(reference)} at ${endpoint.registry} has digest ${facts.actual}, not ${facts.expected}.`,
    { facts, hint: 'The registry, or something before it, changes content. Do not use it until that is explained.' },
  );
}

function absentError({ endpoint, reference }: Located): BuildError {
  const message = `Could not find ${formatReference(reference)}: ${endpoint.registry} answered 404 to HEAD /v2/${endpoint.repository}/manifests/${reference.digest ?? reference.tag}.`;
  return new BuildError('IMAGE_NOT_FOUND', message, {
    hint: 'Check the spelling of repository and tag. Some registries answer so for images that need a login.',
  });
}

function schema1Error({ reference }: Located): BuildError {
  return new BuildError('UNSUPPORTED', `${formatReference(reference)} is an image of Docker's old schema 1.`, {
    hint: 'Push it again with a current tool (docker push, skopeo copy); schema 1 was retired in 2019.',
  });
}

function protocolError({ endpoint, reference }: Located, why: string): BuildError {
  return new BuildError(
    'REGISTRY_PROTOCOL',
    `Could not use the manifest of ${formatReference(reference)} that ${endpoint.registry} sent: ${why}.`,
  );
}
