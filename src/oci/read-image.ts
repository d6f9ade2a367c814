import {
  type BlobId,
  type BlobSource,
  BuildError,
  createDigester,
  type Digest,
  digestAlgorithm,
  formatPlatform,
  isBuildError,
  isDigest,
  type Platform,
} from '../core/index.ts';
import { blobOf, isIndexType } from './descriptor.ts';
import { type ParsedDocument, parseConfig, parseManifestOrIndex } from './parse-documents.ts';
import { isAttestation, selectManifest } from './select-manifest.ts';
import type { Descriptor, ImageConfig, Index, Manifest } from './types.ts';

/** Which entry of an index is wanted. `strict`: no other one will do; else the first that is here is better than none. */
export interface ImageChoice {
  readonly platform: Platform;
  readonly strict: boolean;
}

/** An image of one platform as its documents say it is. */
export interface ImageDocuments {
  /** Where reading began: the manifest itself, or an index that leads to it. */
  readonly root: Descriptor;
  /** Of the manifest. */
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** As many as the config says, lowest first. */
  readonly layers: ReadonlyArray<{ readonly diffId: Digest; readonly blob: Descriptor }>;
}

/** What came of looking for an image: `missing` names a document that is not here, `no-platform` an index without it. */
export type FoundDocuments =
  | { readonly kind: 'image'; readonly image: ImageDocuments }
  | { readonly kind: 'missing'; readonly descriptor: Descriptor }
  | { readonly kind: 'no-platform'; readonly descriptor: Descriptor };

/** More than any registry takes for a manifest. */
const DOCUMENT_LIMIT_BYTES = 16 << 20;

/** Deeper than any tool nests them. */
const MOST_NESTED_INDEXES = 8;

/**
 * Reads manifest and config of an image; of an index, those of the entry that is chosen. Without a choice that is the first
 * image which is here.
 *
 * @throws BuildError `PLATFORM_NOT_FOUND`, `IMAGE_INVALID`, `BLOB_MISSING`, `BLOB_DIGEST_MISMATCH`.
 */
export async function readImage(source: BlobSource, root: Descriptor, choice?: ImageChoice): Promise<ImageDocuments> {
  const found = await findImageDocuments(source, root, choice);
  if (found.kind === 'image') return found.image;
  if (found.kind === 'missing') {
    throw new BuildError('BLOB_MISSING', `Image document ${found.descriptor.digest} is not here.`, {
      hint: 'Build, pull or load the image again.',
    });
  }
  const wanted = choice === undefined ? 'image' : `image for ${formatPlatform(choice.platform)}`;
  throw new BuildError('PLATFORM_NOT_FOUND', `The index ${found.descriptor.digest} has no ${wanted}.`, {
    hint: 'Choose one of its platforms with --platform.',
  });
}

/**
 * As `readImage`, with what is not here as a value.
 *
 * @throws BuildError `IMAGE_INVALID`, `BLOB_DIGEST_MISMATCH`.
 */
export async function findImageDocuments(
  source: BlobSource,
  root: Descriptor,
  choice?: ImageChoice,
): Promise<FoundDocuments> {
  let descriptor = root;
  for (let depth = 0; depth <= MOST_NESTED_INDEXES; depth += 1) {
    const document = await findDocument(source, descriptor);
    if (document === undefined) return { kind: 'missing', descriptor };
    if (document.kind === 'manifest') return readParts(source, { root, descriptor, manifest: document.manifest });
    const entry = await chooseEntry(source, document.index, choice);
    if (entry === undefined) return { kind: 'no-platform', descriptor };
    descriptor = entry;
  }
  throw invalid(root, `its indexes are nested more than ${MOST_NESTED_INDEXES} deep`);
}

async function readParts(
  source: BlobSource,
  parts: { readonly root: Descriptor; readonly descriptor: Descriptor; readonly manifest: Manifest },
): Promise<FoundDocuments> {
  const { manifest, descriptor } = parts;
  const config = await findConfig(source, manifest);
  if (config === undefined) return { kind: 'missing', descriptor: manifest.config };
  const diffIds = config.rootfs.diff_ids;
  if (![...manifest.layers.map(({ digest }) => digest), ...diffIds].every(isDigest)) {
    throw invalid(descriptor, 'a layer has a digest of an unknown kind');
  }
  if (diffIds.length !== manifest.layers.length) {
    throw invalid(descriptor, `it has ${manifest.layers.length} layers, but its config names ${diffIds.length}`);
  }
  const layers = manifest.layers.map((blob, at) => ({ blob, diffId: diffIds[at]! }));
  return { kind: 'image', image: { ...parts, config, layers } };
}

/**
 * Reads the config that a manifest names; undefined when it is not here.
 *
 * @throws BuildError `IMAGE_INVALID`, `BLOB_DIGEST_MISMATCH`.
 */
export async function findConfig(
  source: BlobSource,
  { config }: Pick<Manifest, 'config'>,
): Promise<ImageConfig | undefined> {
  const bytes = await findBytes(source, config);
  return bytes === undefined ? undefined : parseConfig(bytes);
}

async function chooseEntry(
  source: BlobSource,
  index: Index,
  choice: ImageChoice | undefined,
): Promise<Descriptor | undefined> {
  const best = choice === undefined ? undefined : selectManifest(index, choice.platform);
  if (best !== undefined || choice?.strict === true) return best;
  for (const entry of index.manifests) {
    if (!isAttestation(entry) && (await findBytes(source, entry)) !== undefined) return entry;
  }
  return undefined;
}

/**
 * Reads a manifest or an index, verified against its digest; undefined when it is not here.
 *
 * @throws BuildError `IMAGE_INVALID`, `BLOB_DIGEST_MISMATCH`.
 */
export async function findDocument(source: BlobSource, descriptor: Descriptor): Promise<ParsedDocument | undefined> {
  const bytes = await findBytes(source, descriptor);
  if (bytes === undefined) return undefined;
  const { mediaType } = descriptor;
  try {
    return parseManifestOrIndex(bytes, { mediaType });
  } catch (error) {
    if (isBuildError(error, 'IMAGE_INVALID')) throw invalid(descriptor, lowered(error.message), error);
    throw error;
  }
}

/** As `findDocument`. @throws BuildError `BLOB_MISSING`, `IMAGE_INVALID`, `BLOB_DIGEST_MISMATCH`. */
export async function readDocument(source: BlobSource, descriptor: Descriptor): Promise<ParsedDocument> {
  const document = await findDocument(source, descriptor);
  if (document !== undefined) return document;
  throw new BuildError('BLOB_MISSING', `Image document ${descriptor.digest} is not here.`, {
    hint: 'Build, pull or load the image again.',
  });
}

/** The images that an index leads to, through nested indexes; attestations are left out. What is not here is given as it is listed. */
export async function listIndexImages(source: BlobSource, index: Index, depth = 0): Promise<readonly Descriptor[]> {
  if (depth > MOST_NESTED_INDEXES) {
    throw new BuildError('IMAGE_INVALID', `Indexes are nested more than ${MOST_NESTED_INDEXES} deep.`);
  }
  const images: Descriptor[] = [];
  for (const entry of index.manifests) {
    if (isAttestation(entry)) continue;
    const nested = isIndexType(entry.mediaType) ? await findDocument(source, entry) : undefined;
    if (nested?.kind === 'index') images.push(...(await listIndexImages(source, nested.index, depth + 1)));
    else images.push(entry);
  }
  return images;
}

async function findBytes(source: BlobSource, descriptor: Descriptor): Promise<Buffer | undefined> {
  // Stores make paths of digests.
  if (!isDigest(descriptor.digest)) throw invalid(descriptor, 'its digest is of an unknown kind');
  try {
    return await readVerified(source, blobOf(descriptor));
  } catch (error) {
    if (isBuildError(error, 'BLOB_MISSING')) return undefined;
    throw error;
  }
}

/**
 * The whole of a blob that fits into memory, verified.
 *
 * @param limitBytes the most that is read; default 16 MiB.
 * @throws BuildError `IMAGE_INVALID` for a larger one, `BLOB_DIGEST_MISMATCH`, and what opening the blob throws.
 */
export async function readVerified(
  source: BlobSource,
  blob: BlobId,
  limitBytes = DOCUMENT_LIMIT_BYTES,
): Promise<Buffer> {
  if (blob.sizeBytes > limitBytes) {
    throw new BuildError('IMAGE_INVALID', `Image document ${blob.digest} is too large: ${blob.sizeBytes} bytes.`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.open(blob)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const digester = createDigester(digestAlgorithm(blob.digest));
  digester.update(bytes);
  const actual = digester.digest();
  if (actual === blob.digest) return bytes;
  throw new BuildError('BLOB_DIGEST_MISMATCH', `Image document ${blob.digest} is damaged: it is ${actual}.`, {
    facts: { expected: blob.digest, actual },
    hint: 'Build, pull or load the image again.',
  });
}

function invalid(descriptor: Descriptor, why: string, cause?: unknown): BuildError {
  return new BuildError('IMAGE_INVALID', `Image document ${descriptor.digest} cannot be used: ${why}.`, {
    cause,
    hint: 'Build, pull or load the image again.',
  });
}

function lowered(sentence: string): string {
  return `${sentence.slice(0, 1).toLowerCase()}${sentence.slice(1)}`.replace(/\.$/, '');
}
