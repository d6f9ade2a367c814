import {
  type BlobId,
  type BlobSource,
  BuildError,
  isBuildError,
  type RunContext,
  throwIfCancelled,
} from '../core/index.ts';
import { refusalOf } from './response-error.ts';
import { backoffDelay, LONGEST_RETRY_AFTER_MS, pause, type Timing } from './retry.ts';
import { pushScopes } from './scope.ts';
import { startTransfer, type Transfer } from './transfer.ts';
import {
  cancelSession,
  findBlob,
  finishSession,
  mountBlob,
  openSession,
  readSession,
  sendChunk,
  type UploadSession,
  type UploadTarget,
} from './upload-session.ts';

export interface UploadDeps {
  readonly timing: Timing;
  readonly maxAttempts: number;
}

export interface Upload {
  readonly target: UploadTarget;
  readonly open: BlobSource['open'];
  /** Repositories of the same registry, best first. */
  readonly mountFrom: readonly string[];
}

const MOST_MOUNTS = 3;
const LARGEST_CHUNK = 16 * 1024 * 1024;
const SMALLEST_CHUNK = 256 * 1024;
/** What arrived of an interrupted piece, when it is this much, makes earlier failures forgotten. */
const FORGIVEN_AFTER_BYTES = 1024 * 1024;

/**
 * Makes a blob present: asks whether it is there, mounts it from a neighbour, or uploads it. An upload is one PUT; what is
 * interrupted goes on with PATCH where the registry tells how far it came, and begins again where it does not.
 */
export async function uploadBlob(
  deps: UploadDeps,
  upload: Upload,
  context: RunContext,
): Promise<'existed' | 'mounted' | 'uploaded'> {
  const { target } = upload;
  if (await findBlob(target, { scopes: pushScopes(target.endpoint.repository) }, context)) return 'existed';
  const mount = await tryMounts(upload, context);
  if (mount === 'mounted') return 'mounted';
  const transfer = startTransfer('push', target.blob, context);
  try {
    await transferBlob(deps, { ...upload, transfer, session: mount }, context);
  } finally {
    transfer.end();
  }
  return 'uploaded';
}

/** The last candidate's open upload is used; those of the others are given up. */
async function tryMounts(
  { target, mountFrom }: Upload,
  context: RunContext,
): Promise<'mounted' | UploadSession | undefined> {
  const candidates = [...new Set(mountFrom)]
    .filter((from) => from !== target.endpoint.repository)
    .slice(0, MOST_MOUNTS);
  let session: UploadSession | undefined;
  for (const from of candidates) {
    const previous = session;
    const outcome = await mountBlob(target, from, context).catch(ignoreRefusal);
    if (previous !== undefined && outcome !== undefined) await cancelSession(target, previous);
    if (outcome === 'mounted') return 'mounted';
    session = outcome ?? previous;
  }
  return session;
}

function ignoreRefusal(error: unknown): undefined {
  if (isBuildError(error, 'REGISTRY_UNAUTHORIZED') || isBuildError(error, 'REGISTRY_DENIED')) return undefined;
  throw error;
}

interface Running extends Upload {
  readonly transfer: Transfer;
  readonly session: UploadSession | undefined;
}

/** How far an upload is, and how the next piece is to be sent. */
interface Position {
  session: UploadSession | undefined;
  offset: number;
  /** Undefined: all at once. */
  chunkBytes: number | undefined;
  /** PATCH from the start: the registry, or what lies before it, took no PUT with the whole blob. */
  patchOnly: boolean;
}

async function transferBlob(deps: UploadDeps, running: Running, context: RunContext): Promise<void> {
  const { target } = running;
  const position: Position = { session: running.session, offset: 0, chunkBytes: undefined, patchOnly: false };
  const source = createSourceReader(running);
  let failures = 0;
  try {
    for (;;) {
      const startedAt = position.offset;
      try {
        if (await advance({ running, source, position }, context)) return;
        if (position.offset > startedAt) failures = 0;
      } catch (error) {
        throwIfCancelled(context.signal);
        failures += 1;
        if (source.failure !== undefined) throw source.failure;
        if (!mayResume(error) || failures >= deps.maxAttempts) throw toUploadError(target.blob, error);
        const waitMs = Math.max(backoffDelay(failures, deps.timing.random()), refusalOf(error)?.retryAfterMs ?? 0);
        if (waitMs > LONGEST_RETRY_AFTER_MS) throw error;
        await pause(deps.timing, waitMs, context.signal);
        if (await recover(target, position, context)) return;
        // Pieces keep what arrived, where whole blobs do not get through.
        if (failures >= 2 && position.offset === 0) useChunks(position, LARGEST_CHUNK);
        if (position.offset - startedAt >= FORGIVEN_AFTER_BYTES) failures = 0;
      }
    }
  } catch (error) {
    if (position.session !== undefined) await cancelSession(target, position.session);
    throw error;
  }
}

/** Sends the next piece. True when the blob is there. */
async function advance(
  { running, source, position }: { running: Running; source: SourceReader; position: Position },
  context: RunContext,
): Promise<boolean> {
  const { target, transfer } = running;
  const { blob } = target;
  position.session ??= await openSession(target, context);
  const { session, offset } = position;
  transfer.moveTo(offset);
  if (offset === 0 && !position.patchOnly) {
    const body = blob.sizeBytes === 0 ? {} : { body: () => source.read(0, blob.sizeBytes) };
    const outcome = await finishSession(target, { session, ...body }, context);
    if (outcome === 'unwanted') useChunks(position, LARGEST_CHUNK);
    if (outcome === 'out-of-order') await findPosition(target, position, context);
    return outcome === 'done';
  }
  if (offset >= blob.sizeBytes) {
    const outcome = await finishSession(target, { session }, context);
    if (outcome === 'out-of-order') await findPosition(target, position, context);
    if (outcome === 'unwanted') throw uploadRefused(target);
    return outcome === 'done';
  }
  const wanted = Math.max(position.chunkBytes ?? blob.sizeBytes, session.minChunkBytes);
  const length = Math.min(wanted, blob.sizeBytes - offset);
  const outcome = await sendChunk(
    target,
    { session, offset, length, body: () => source.read(offset, length) },
    context,
  );
  if (outcome.kind === 'stored') {
    position.session = outcome.session;
    position.offset = outcome.offset;
  } else if (outcome.kind === 'out-of-order') await findPosition(target, position, context);
  else if (length <= SMALLEST_CHUNK) throw uploadRefused(target);
  else useChunks(position, Math.min(length, position.chunkBytes ?? LARGEST_CHUNK * 2) / 2);
  return false;
}

function useChunks(position: Position, chunkBytes: number): void {
  position.patchOnly = true;
  position.chunkBytes = Math.max(SMALLEST_CHUNK, Math.floor(chunkBytes));
}

/** After a failure: the answer may have been lost, part may have arrived, or the upload may be gone. True when it is done. */
async function recover(target: UploadTarget, position: Position, context: RunContext): Promise<boolean> {
  if (await findBlob(target, { scopes: pushScopes(target.endpoint.repository) }, context)) return true;
  await findPosition(target, position, context);
  return false;
}

async function findPosition(target: UploadTarget, position: Position, context: RunContext): Promise<void> {
  const { session } = position;
  const state = session === undefined ? undefined : await readSession(target, session, context);
  const offset = state?.offset ?? 0;
  // An upload without a byte is as good as a new one, and an ambiguous position is no position.
  const isUsable = state !== undefined && offset > 0 && offset <= target.blob.sizeBytes;
  if (session !== undefined && !isUsable) await cancelSession(target, session);
  position.session = isUsable ? state.session : undefined;
  position.offset = isUsable ? offset : 0;
}

/** Lost connections and busy registries may pass; so does an upload that the registry forgot. */
function mayResume(error: unknown): boolean {
  if (!isBuildError(error)) return false;
  return (
    error.code === 'REGISTRY_UNAVAILABLE' || error.code === 'REGISTRY_RATE_LIMITED' || refusalOf(error)?.status === 404
  );
}

function toUploadError(blob: BlobId, error: unknown): unknown {
  if (!isBuildError(error) || refusalOf(error)?.codes.includes('DIGEST_INVALID') !== true) return error;
  return new BuildError('BLOB_DIGEST_MISMATCH', error.message, {
    facts: { expected: blob.digest, actual: 'not told by the registry' },
    hint: 'The blob in the store is damaged, or was changed on its way.',
    cause: error,
  });
}

function uploadRefused({ endpoint, blob }: UploadTarget): BuildError {
  return new BuildError(
    'REGISTRY_PROTOCOL',
    `Could not push ${blob.digest}: ${endpoint.registry} takes it neither whole nor in chunks of ${SMALLEST_CHUNK} bytes.`,
    { hint: 'The registry, or a proxy before it, limits the size of requests; raise that limit.' },
  );
}

interface SourceReader {
  /** Exactly `length` bytes from `offset`. */
  read(offset: number, length: number): AsyncIterable<Uint8Array>;
  /** Why reading the blob's own bytes failed; such an error is never the network's. */
  readonly failure: unknown;
}

function createSourceReader({ target, open, transfer }: Running): SourceReader {
  const { blob } = target;
  let failure: unknown;
  async function* read(offset: number, length: number): AsyncGenerator<Uint8Array> {
    let left = length;
    try {
      for await (const chunk of open(blob, { offset })) {
        const part = chunk.length > left ? chunk.subarray(0, left) : chunk;
        left -= part.length;
        transfer.advance(part.length);
        // What is handed on is not our failure any more.
        yield part;
        if (left === 0) return;
      }
    } catch (error) {
      failure = error;
      throw error;
    }
    if (left === 0) return;
    failure = new BuildError('BLOB_MISSING', `The stored blob ${blob.digest} ends ${left} bytes too early.`, {
      hint: 'The store is damaged; remove the image with `zlayer rmi` and build or pull it again.',
    });
    throw failure;
  }
  return {
    read: (offset, length) => {
      transfer.moveTo(offset);
      return read(offset, length);
    },
    get failure() {
      return failure;
    },
  };
}
