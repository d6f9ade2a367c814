import { readTar, type TarEntry } from '../../archive/index.ts';
import {
  type BlobId,
  BuildError,
  type BytePath,
  isDigest,
  joinPath,
  parentOf,
  type RunContext,
  throwIfCancelled,
} from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import { decompressAny } from '../sniff-compression.ts';

/** The files of an image archive: descriptions in memory, everything else as blobs in the store. */
export interface ArchiveFiles {
  /** A description such as `manifest.json`; undefined when the archive has none. */
  document(path: BytePath): Buffer | undefined;
  /** Any file as a blob of the store, links followed. */
  blob(path: BytePath): BlobId | undefined;
}

const DOCUMENTS: ReadonlySet<string> = new Set(['oci-layout', 'index.json', 'manifest.json', 'repositories']);
const DOCUMENT_LIMIT_BYTES = 16 << 20;
const MAX_LINKS = 16;

/**
 * Reads an image archive, plain or compressed, in one pass. Nothing is written under a path that the archive names: files
 * become blobs of the store, those of an OCI layout only when they are what their path says.
 *
 * @throws BuildError `ARCHIVE_INVALID`, `BLOB_DIGEST_MISMATCH`, `STORE_FULL`, `CANCELLED`.
 */
export async function readArchiveFiles(
  store: Store,
  bytes: AsyncIterable<Uint8Array>,
  context: RunContext,
): Promise<ArchiveFiles> {
  const documents = new Map<BytePath, Buffer>();
  const blobs = new Map<BytePath, BlobId>();
  const links = new Map<BytePath, BytePath>();
  for await (const member of readTar(decompressAny(bytes))) {
    throwIfCancelled(context.signal);
    const { path, type, linkTarget = '' } = member.entry;
    if (type === 'hardlink') links.set(path, linkTarget);
    else if (type === 'symlink') links.set(path, joinPath(parentOf(path), linkTarget));
    else if (type === 'file' && DOCUMENTS.has(path)) documents.set(path, await readDocument(member));
    else if (type === 'file') blobs.set(path, await readFileBlob(store, member, context));
  }
  const resolve = (path: BytePath): BytePath => {
    let at = path;
    for (let count = 0; count < MAX_LINKS; count++) {
      const next = links.get(at);
      if (next === undefined) break;
      at = next;
    }
    return at;
  };
  return { document: (path) => documents.get(path), blob: (path) => blobs.get(resolve(path)) };
}

async function readDocument(member: TarEntry): Promise<Buffer> {
  const { path, sizeBytes } = member.entry;
  if (sizeBytes > DOCUMENT_LIMIT_BYTES) {
    throw new BuildError('ARCHIVE_INVALID', `The image archive cannot be read: its "${path}" has ${sizeBytes} bytes.`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of contentOf(member)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function readFileBlob(store: Store, member: TarEntry, context: RunContext): Promise<BlobId> {
  const digest = digestOfPath(member.entry.path);
  const { sizeBytes } = member.entry;
  if (digest !== undefined) {
    await store.blobs.write({ digest, sizeBytes }, contentOf(member));
    return { digest, sizeBytes };
  }
  const ingest = await store.blobs.ingest();
  try {
    for await (const chunk of contentOf(member)) {
      throwIfCancelled(context.signal);
      ingest.write(chunk);
    }
    return await ingest.commit();
  } catch (error) {
    await ingest.abort();
    throw error;
  }
}

async function* contentOf(member: TarEntry): AsyncGenerator<Uint8Array> {
  const whole = member.takeBuffered();
  if (whole === undefined) yield* member.body;
  else yield whole;
}

function digestOfPath(path: BytePath): BlobId['digest'] | undefined {
  const [, algorithm, hex] = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/.exec(path) ?? [];
  const digest = `${algorithm}:${hex}`;
  return isDigest(digest) ? digest : undefined;
}
