import {
  type BlobId,
  BuildError,
  createDigester,
  type Digester,
  digestAlgorithm,
  formatReference,
  isBuildError,
  type Reference,
  type RunContext,
  throwIfCancelled,
} from '../core/index.ts';
import type { Endpoint } from './endpoint.ts';
import { type Exchange, type RegistryRequest, toUnavailableError } from './exchange.ts';
import { classifyNetworkError } from './network-error.ts';
import type { Redactor } from './redact.ts';
import { backoffDelay, pause, type Timing } from './retry.ts';
import { repositoryScope } from './scope.ts';
import { startTransfer, type Transfer } from './transfer.ts';
import type { HttpResponse } from './transport.ts';

export interface DownloadDeps {
  readonly exchange: Exchange;
  readonly redactor: Redactor;
  readonly timing: Timing;
  readonly maxAttempts: number;
  /** Told when an endpoint sent bytes that are not the blob's. */
  readonly distrust: (endpoint: Endpoint) => void;
}

export interface Download {
  readonly reference: Reference;
  readonly blob: BlobId;
  /** The first byte that is wanted. The digest is that of the whole, and checked for the whole alone. */
  readonly offset: number;
  /** Tried in order; a later one goes on where an earlier one stopped. */
  readonly endpoints: readonly Endpoint[];
}

/** Progress of this size makes earlier failures forgotten: a long transfer may be interrupted often, not for ever. */
const FORGIVEN_AFTER_BYTES = 1024 * 1024;

interface State {
  readonly digester: Digester;
  readonly transfer: Transfer;
  offset: number;
}

/**
 * Streams a blob, hashing as it goes. A lost connection is taken up again with `Range`, by the next endpoint when one has
 * failed too often. One chunk is held back until the digest was right.
 */
export async function* downloadBlob(
  deps: DownloadDeps,
  download: Download,
  context: RunContext,
): AsyncGenerator<Uint8Array> {
  const { blob, endpoints } = download;
  const transfer = startTransfer('pull', blob, context);
  const state: State = { digester: createDigester(digestAlgorithm(blob.digest)), transfer, offset: download.offset };
  let held: Uint8Array | undefined;
  try {
    for (const [index, endpoint] of endpoints.entries()) {
      try {
        for await (const chunk of readFrom(deps, { download, endpoint, state }, context)) {
          if (held !== undefined) yield held;
          held = chunk;
        }
        checkDigest(deps, { download, endpoint, state });
        if (held !== undefined) yield held;
        return;
      } catch (error) {
        const isFinal = index === endpoints.length - 1 || isBuildError(error, 'BLOB_DIGEST_MISMATCH');
        if (isFinal || context.signal.aborted) throw error;
      }
    }
  } finally {
    transfer.end();
  }
}

interface Source {
  readonly download: Download;
  readonly endpoint: Endpoint;
  readonly state: State;
}

/** The rest of the blob from one endpoint, resuming there as long as it is worth it. */
async function* readFrom(deps: DownloadDeps, source: Source, context: RunContext): AsyncGenerator<Uint8Array> {
  const { download, endpoint, state } = source;
  let failures = 0;
  let useRange = true;
  let firstRequest = true;
  while (firstRequest || state.offset < download.blob.sizeBytes) {
    firstRequest = false;
    const startedAt = state.offset;
    const response = await deps.exchange.send(endpoint, blobRequest(source, useRange ? startedAt : 0), context);
    if (response.status === 416) {
      await response.discard();
      useRange = false;
      continue;
    }
    let failure: unknown;
    try {
      yield* readBody(source, response);
      if (state.offset < download.blob.sizeBytes) failure = shortError(source);
    } catch (error) {
      throwIfCancelled(context.signal);
      if (classifyNetworkError(error) !== 'transient') throw error;
      failure = error;
    }
    if (failure === undefined) continue;
    failures = state.offset - startedAt >= FORGIVEN_AFTER_BYTES ? 1 : failures + 1;
    if (failures >= deps.maxAttempts) throw toFinalError(deps, source, failure);
    await pause(deps.timing, backoffDelay(failures, deps.timing.random()), context.signal);
  }
}

/** New bytes of one answer; those that are known already are passed over. */
async function* readBody(source: Source, response: HttpResponse): AsyncGenerator<Uint8Array> {
  const { state, download } = source;
  let skip = state.offset - firstByteOf(source, response);
  for await (const chunk of response.body) {
    const fresh = skip >= chunk.length ? undefined : chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
    if (fresh === undefined || fresh.length === 0) continue;
    state.offset += fresh.length;
    if (state.offset > download.blob.sizeBytes) throw tooLongError(source);
    state.digester.update(fresh);
    state.transfer.moveTo(state.offset);
    yield fresh;
  }
}

function firstByteOf({ endpoint, state, download }: Source, response: HttpResponse): number {
  if (response.status === 200) return 0;
  const first = /^bytes (\d+)-/.exec(response.header('content-range') ?? '')?.[1];
  if (first !== undefined && Number(first) <= state.offset) return Number(first);
  throw new BuildError(
    'REGISTRY_PROTOCOL',
    `Could not resume ${download.blob.digest}: ${endpoint.registry} did not send the range that was asked for.`,
  );
}

function blobRequest({ download, endpoint }: Source, offset: number): RegistryRequest {
  return {
    purpose: `fetch ${download.blob.digest} of ${formatReference(download.reference)}`,
    method: 'GET',
    target: `./${endpoint.repository}/blobs/${download.blob.digest}`,
    headers: { 'accept-encoding': 'identity', ...(offset > 0 ? { range: `bytes=${offset}-` } : {}) },
    scopes: [repositoryScope(endpoint.repository, 'pull')],
    expect: offset > 0 ? [200, 206, 416] : [200],
    notFound: 'IMAGE_NOT_FOUND',
  };
}

function checkDigest(deps: DownloadDeps, { download, endpoint, state }: Source): void {
  const { blob, reference, offset } = download;
  if (offset > 0) return;
  const actual = state.digester.digest();
  if (actual === blob.digest) return;
  deps.distrust(endpoint);
  throw new BuildError(
    'BLOB_DIGEST_MISMATCH',
    `The bytes that ${endpoint.registry} sent for ${blob.digest} of ${formatReference(reference)} have digest ${actual}.`,
    {
      facts: { expected: blob.digest, actual },
      hint: 'The registry, or something before it, changes content. Nothing of it was kept.',
    },
  );
}

function shortError({ download, endpoint, state }: Source): BuildError {
  return new BuildError(
    'REGISTRY_UNAVAILABLE',
    `Could not fetch ${download.blob.digest} of ${formatReference(download.reference)}: ${endpoint.registry} sent ${state.offset} of ${download.blob.sizeBytes} bytes.`,
    { hint: 'Try again later; the registry has a problem.' },
  );
}

function tooLongError({ download, endpoint }: Source): BuildError {
  return new BuildError(
    'BLOB_DIGEST_MISMATCH',
    `${endpoint.registry} sent more than the ${download.blob.sizeBytes} bytes of ${download.blob.digest} of ${formatReference(download.reference)}.`,
    { facts: { expected: download.blob.digest, actual: `more than ${download.blob.sizeBytes} bytes` } },
  );
}

function toFinalError(deps: DownloadDeps, { download, endpoint }: Source, failure: unknown): BuildError {
  if (isBuildError(failure)) return failure;
  const purpose = `fetch ${download.blob.digest} of ${formatReference(download.reference)}`;
  return toUnavailableError(deps, { endpoint, purpose, error: failure });
}
