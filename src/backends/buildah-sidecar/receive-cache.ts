import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { BuildError, type Digest, digestOf, isBuildError, type RunContext, toBuildError } from '../../core/index.ts';
import { blobOf, type Descriptor, MEDIA_TYPES, parseManifest } from '../../oci/index.ts';
import type { ContentChunk, MessageInput, ReadCacheRequestSchema } from '../../rpc/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import type { BuildRequest } from '../types.ts';
import type { Connection, Connector } from './connection.ts';
import { nameOf } from './send-caches.ts';

type ReadCache = MessageInput<typeof ReadCacheRequestSchema>;
type Target = NonNullable<BuildRequest['cacheTo'] | BuildRequest['cacheMountsTo']>[number];
type LocalTarget = Extract<Target, { readonly kind: 'local' }>;

export interface ReceiveCacheDeps {
  readonly store: Store;
  readonly connector: Connector;
}

/** A build that has ended well, and what it was asked for. */
export interface FinishedBuild {
  readonly requestId: string;
  readonly request: BuildRequest;
}

/**
 * Brings the caches that a build has left for layouts of this host: of each the blobs that its layout lacks.
 *
 * @throws BuildError `OUTPUT_FAILED`, `BLOB_DIGEST_MISMATCH`, `BACKEND_UNAVAILABLE`, unless the target ignores errors; `CANCELLED`.
 */
export async function receiveCaches(
  deps: ReceiveCacheDeps,
  { requestId, request }: FinishedBuild,
  context: RunContext,
): Promise<void> {
  const { cacheTo = [], cacheMountsTo = [] } = request;
  for (const [ofMounts, targets] of [
    [false, cacheTo],
    [true, cacheMountsTo],
  ] as const) {
    for (const [position, target] of targets.entries()) {
      if (target.kind === 'local')
        await receiveOne(deps, { target, wanted: { requestId, position, ofMounts } }, context);
    }
  }
}

interface Wanted {
  readonly target: LocalTarget;
  readonly wanted: ReadCache;
}

async function receiveOne(deps: ReceiveCacheDeps, { target, wanted }: Wanted, context: RunContext): Promise<void> {
  try {
    await deps.connector.call(
      (connection) => receive({ store: deps.store, connection }, { target, wanted }, context),
      { idempotent: true },
      context,
    );
  } catch (thrown) {
    const error = toBuildError(thrown);
    if (target.ignoreError !== true || isBuildError(error, 'CANCELLED') || context.signal.aborted) throw error;
    const message = `The cache ${nameOf(target)} was not written: ${error.message}`;
    context.emit({ kind: 'warning', time: Date.now(), code: 'CacheNotExported', message });
  }
}

async function receive(
  { store: own, connection }: { readonly store: Store; readonly connection: Connection },
  { target, wanted }: Wanted,
  context: RunContext,
): Promise<void> {
  const root = await own.makeTempDir('sidecar-cache');
  try {
    const store = await openStore({ root });
    const descriptor = await receiveManifest({ store, connection }, wanted, context);
    await receiveMissing({ store, connection }, { target, wanted, descriptor }, context);
    const { openCacheStorage } = await import('../../cache/index.ts');
    const storage = openCacheStorage(noRegistry, target);
    // The daemon has compressed what it made.
    await storage.write({ store, descriptor, compression: 'none' }, context);
    await storage.close();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const noRegistry = (): Promise<never> => Promise.reject(new BuildError('INTERNAL', 'A layout needs no registry.'));

interface Receiving {
  readonly store: Store;
  readonly connection: Connection;
}

async function receiveManifest(
  { store, connection }: Receiving,
  wanted: ReadCache,
  { signal }: RunContext,
): Promise<Descriptor> {
  const chunks: Uint8Array[] = [];
  for await (const { data } of connection.client.readCache(wanted, { signal })) chunks.push(data);
  const bytes = Buffer.concat(chunks);
  await store.blobs.put(bytes);
  return { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(bytes), size: bytes.length };
}

async function receiveMissing(
  { store, connection }: Receiving,
  { target, wanted, descriptor }: Wanted & { readonly descriptor: Descriptor },
  context: RunContext,
): Promise<void> {
  const { layoutFile } = await import('../../outputs/index.ts');
  const { config, layers } = parseManifest(await store.blobs.read(blobOf(descriptor)));
  const isHere = ({ digest, size }: Descriptor): boolean =>
    statSync(layoutFile(target.directory, { digest }), { throwIfNoEntry: false })?.size === size;
  const missing = new Map([config, ...layers].filter((blob) => !isHere(blob)).map((blob) => [blob.digest, blob]));
  if (missing.size === 0) return;
  const want = [...missing.keys()].map((digest) => Buffer.from(digest.replace(/^sha256:/, ''), 'hex'));
  const stream = connection.client.readCache({ ...wanted, want }, context);
  const tell = createProgress(nameOf(target), [...missing.values()], context);
  for await (const { digest, data } of contentsOf(stream)) {
    const blob = missing.get(digest);
    if (blob === undefined)
      throw new BuildError('BACKEND_FAILED', 'The build daemon sent a blob that was not asked for.');
    await store.blobs.write(blobOf(blob), tell.through(data));
    missing.delete(digest);
  }
  tell.end();
  if (missing.size > 0) throw new BuildError('BACKEND_FAILED', 'The build daemon did not send all of the cache.');
}

interface Content {
  readonly digest: Digest;
  readonly data: AsyncIterable<Uint8Array>;
}

/** The contents of a stream of chunks, one after the other; each must be read before the next. */
async function* contentsOf(chunks: AsyncIterable<ContentChunk>): AsyncGenerator<Content> {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      yield { digest: `sha256:${Buffer.from(next.value.digest).toString('hex')}`, data: dataOf(next.value, iterator) };
    }
  } finally {
    await iterator.return?.();
  }
}

async function* dataOf(first: ContentChunk, iterator: AsyncIterator<ContentChunk>): AsyncGenerator<Uint8Array> {
  for (let chunk = first; ; ) {
    yield chunk.data;
    if (chunk.last) return;
    const next = await iterator.next();
    if (next.done === true)
      throw new BuildError('BACKEND_FAILED', 'The build daemon broke off in the middle of a blob.');
    chunk = next.value;
  }
}

const PROGRESS_MS = 100;

interface Progress {
  through(data: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  end(): void;
}

function createProgress(name: string, blobs: readonly Descriptor[], { emit }: RunContext): Progress {
  const totalBytes = blobs.reduce((sum, { size }) => sum + size, 0);
  let currentBytes = 0;
  let lastMs = 0;
  const tell = (done: boolean): void => {
    lastMs = Date.now();
    const texts = { id: `cache ${name}`, name: `cache ${name} from the build daemon` };
    emit({ kind: 'transfer', time: lastMs, direction: 'pull', ...texts, currentBytes, totalBytes, done });
  };
  return {
    async *through(data) {
      for await (const chunk of data) {
        currentBytes += chunk.length;
        if (Date.now() - lastMs >= PROGRESS_MS) tell(false);
        yield chunk;
      }
    },
    end: () => tell(true),
  };
}
