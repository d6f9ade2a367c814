import { type BlobId, BuildError, formatReference, type Reference, type RunContext } from '../core/index.ts';
import type { Endpoint } from './endpoint.ts';
import type { Exchange, RegistryRequest } from './exchange.ts';
import { resolveLocation } from './redirect.ts';
import { pushScopes, repositoryScope, type Scope } from './scope.ts';
import type { HttpBody, HttpResponse } from './transport.ts';

/** What uploads of one blob are asked with. */
export interface UploadTarget {
  readonly exchange: Exchange;
  readonly endpoint: Endpoint;
  readonly reference: Reference;
  readonly blob: BlobId;
}

/** An upload that a registry keeps open. Every answer may move it. */
export interface UploadSession {
  readonly location: URL;
  /** `OCI-Chunk-Min-Length`; 0 when there is none. */
  readonly minChunkBytes: number;
}

const CANCEL_TIMEOUT_MS = 5_000;
const OCTETS = 'application/octet-stream';

function requestFor(
  target: UploadTarget,
  request: Pick<RegistryRequest, 'method' | 'target' | 'expect'>,
): RegistryRequest {
  const { blob, reference } = target;
  return {
    purpose: `push ${blob.digest} to ${formatReference(reference)}`,
    scopes: pushScopes(target.endpoint.repository),
    ...request,
  };
}

/** HEAD: whether the repository holds the blob. */
export async function findBlob(
  target: UploadTarget,
  options: { readonly scopes: readonly Scope[] },
  context: RunContext,
): Promise<boolean> {
  const { endpoint, blob, reference } = target;
  const request: RegistryRequest = {
    purpose: `look for ${blob.digest} in ${formatReference(reference)}`,
    method: 'HEAD',
    target: `./${endpoint.repository}/blobs/${blob.digest}`,
    scopes: options.scopes,
    expect: [200, 404],
  };
  const response = await target.exchange.send(endpoint, request, context);
  await response.discard();
  const length = response.header('content-length');
  return response.status === 200 && (length === undefined || Number(length) === blob.sizeBytes);
}

/** POST: begins an upload. */
export async function openSession(target: UploadTarget, context: RunContext): Promise<UploadSession> {
  const { endpoint, blob } = target;
  const algorithm = blob.digest.startsWith('sha256:') ? '' : `?digest-algorithm=${blob.digest.split(':')[0]}`;
  const path = `./${endpoint.repository}/blobs/uploads/${algorithm}`;
  const response = await target.exchange.send(
    endpoint,
    requestFor(target, { method: 'POST', target: path, expect: [202] }),
    context,
  );
  return sessionOf(target, response);
}

/**
 * POST with `mount`: `mounted`, or the upload that the registry opened instead, or undefined when it wants neither.
 * A refusal of any kind only means that the blob is to be uploaded.
 */
export async function mountBlob(
  target: UploadTarget,
  from: string,
  context: RunContext,
): Promise<'mounted' | UploadSession | undefined> {
  const { endpoint, blob } = target;
  const query = new URLSearchParams({ mount: blob.digest, from });
  const request: RegistryRequest = {
    ...requestFor(target, {
      method: 'POST',
      target: `./${endpoint.repository}/blobs/uploads/?${query}`,
      expect: [201, 202, 400, 401, 403, 404, 405],
    }),
    scopes: [...pushScopes(endpoint.repository), repositoryScope(from, 'pull')],
  };
  const response = await target.exchange.send(endpoint, request, context);
  if (response.status === 202) return sessionOf(target, response);
  await response.discard();
  return response.status === 201 ? 'mounted' : undefined;
}

/** Where a PATCH ended: the session goes on from `offset`, or the registry knows another position or size limit. */
export type ChunkOutcome =
  | { readonly kind: 'stored'; readonly session: UploadSession; readonly offset: number }
  | { readonly kind: 'out-of-order' }
  | { readonly kind: 'too-large' };

/** PATCH: one chunk from `offset`. */
export async function sendChunk(
  target: UploadTarget,
  chunk: {
    readonly session: UploadSession;
    readonly offset: number;
    readonly length: number;
    readonly body: () => HttpBody;
  },
  context: RunContext,
): Promise<ChunkOutcome> {
  const { session, offset, length } = chunk;
  const request: RegistryRequest = {
    ...requestFor(target, { method: 'PATCH', target: session.location, expect: [201, 202, 204, 413, 416] }),
    headers: {
      'content-type': OCTETS,
      'content-length': String(length),
      'content-range': `${offset}-${offset + length - 1}`,
    },
    body: chunk.body,
    attempts: 1,
  };
  const response = await target.exchange.send(target.endpoint, request, context);
  if (response.status === 413 || response.status === 416) {
    await response.discard();
    return { kind: response.status === 413 ? 'too-large' : 'out-of-order' };
  }
  const stored = endOfRange(response.header('range'));
  const next = await sessionOf(target, response, session);
  return { kind: 'stored', session: next, offset: stored ?? offset + length };
}

/** PUT: ends the upload, with all bytes (`body`) or with none. `unwanted`: the registry takes no body like this. */
export async function finishSession(
  target: UploadTarget,
  finish: { readonly session: UploadSession; readonly body?: () => HttpBody },
  context: RunContext,
): Promise<'done' | 'out-of-order' | 'unwanted'> {
  const { endpoint, blob, reference } = target;
  const url = new URL(finish.session.location);
  // Set by hand: URLSearchParams would write the parameters that the registry gave in another way.
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(blob.digest)}`;
  const request: RegistryRequest = {
    ...requestFor(target, { method: 'PUT', target: url, expect: [200, 201, 204, 413, 415, 416, 501] }),
    headers: { 'content-type': OCTETS, 'content-length': String(finish.body === undefined ? 0 : blob.sizeBytes) },
    ...(finish.body === undefined ? {} : { body: finish.body }),
    attempts: 1,
  };
  const response = await target.exchange.send(endpoint, request, context);
  await response.discard();
  if (response.status === 416) return 'out-of-order';
  if (response.status >= 400) return 'unwanted';
  const stored = response.header('docker-content-digest');
  if (stored === undefined || stored === blob.digest || !stored.startsWith(blob.digest.slice(0, 7))) return 'done';
  throw new BuildError(
    'BLOB_DIGEST_MISMATCH',
    `${endpoint.registry} stored ${blob.digest} of ${formatReference(reference)} as ${stored}.`,
    { facts: { expected: blob.digest, actual: stored } },
  );
}

/** GET: how many bytes arrived. Undefined when the registry does not tell, or has forgotten the upload. */
export async function readSession(
  target: UploadTarget,
  session: UploadSession,
  context: RunContext,
): Promise<{ readonly session: UploadSession; readonly offset: number } | undefined> {
  const request = {
    ...requestFor(target, {
      method: 'GET',
      target: session.location,
      expect: [200, 202, 204, 400, 404, 405, 410, 501],
    }),
  };
  const response = await target.exchange.send(target.endpoint, request, context);
  const stored = endOfRange(response.header('range'));
  if (response.status >= 400) {
    await response.discard();
    return undefined;
  }
  // "0-0" is what registries say for nothing as well as for one byte: it counts as nothing.
  const offset = stored === undefined || stored === 1 ? 0 : stored;
  return { session: await sessionOf(target, response, session), offset };
}

/** DELETE: gives an upload up. Best effort: never throws, and works for a cancelled context, too. */
export async function cancelSession(target: UploadTarget, session: UploadSession): Promise<void> {
  const context: RunContext = { signal: AbortSignal.timeout(CANCEL_TIMEOUT_MS), emit: () => undefined };
  const request = requestFor(target, { method: 'DELETE', target: session.location, expect: [200, 202, 204] });
  await target.exchange
    .send(target.endpoint, { ...request, attempts: 1 }, context)
    .then((response) => response.discard())
    .catch(() => undefined);
}

/** `Range: 0-<last>` as the offset of the next byte. */
function endOfRange(header: string | undefined): number | undefined {
  const last = /^(?:bytes=)?0-(\d+)$/.exec(header?.trim() ?? '')?.[1];
  return last === undefined ? undefined : Number(last) + 1;
}

async function sessionOf(
  target: UploadTarget,
  response: HttpResponse,
  previous?: UploadSession,
): Promise<UploadSession> {
  await response.discard();
  const location = response.header('location');
  if (location === undefined && previous !== undefined) return previous;
  if (location === undefined) {
    throw new BuildError(
      'REGISTRY_PROTOCOL',
      `Could not push ${target.blob.digest}: ${target.endpoint.registry} opened an upload without saying where (no Location).`,
    );
  }
  return {
    location: resolveLocation(target.endpoint, location, response.url),
    minChunkBytes: Number(response.header('oci-chunk-min-length') ?? previous?.minChunkBytes ?? 0) || 0,
  };
}
