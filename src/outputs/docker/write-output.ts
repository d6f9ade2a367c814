import {
  type BlobSource,
  type Digest,
  digestHex,
  familiarReference,
  type Platform,
  parseReference,
  type RunContext,
} from '../../core/index.ts';
import { blobOf, type ImageDocuments, readImage } from '../../oci/index.ts';
import { type CompressedImage, type CompressOptions, compressLayers } from '../compress-layers.ts';
import { type ArchiveMember, bytesMember, encodeArchive, fileMember } from '../encode-archive.ts';
import { exactly } from '../exactly.ts';
import { blobPath, listImageBlobs } from '../image-blobs.ts';
import { LAYOUT_FILE, layoutEntries, layoutIndex } from '../layout-files.ts';
import type { NamedImage, OutputDeps } from '../types.ts';
import { type Destination, writeDestination } from '../write-destination.ts';

export interface DockerOutput extends CompressOptions {
  readonly images: readonly NamedImage[];
  /** Which image of an index; the format has room for one. Default this host's. */
  readonly platform?: Platform | undefined;
  /** Blobs that are left out: the reader has them. */
  readonly skip?: ReadonlySet<Digest> | undefined;
}

/**
 * What `docker save` writes and `docker load` reads since Docker 25: an OCI image layout with `manifest.json` and
 * `repositories` of the older format, over the same blobs. With `compression: 'none'` layers go as the store has them.
 *
 * @throws BuildError `PLATFORM_NOT_FOUND`, `IMAGE_INVALID`, and as `compressLayers`.
 */
export async function* encodeDockerArchive(
  deps: OutputDeps,
  output: DockerOutput,
  context: RunContext,
): AsyncGenerator<Uint8Array> {
  const opened: OpenedImage[] = [];
  try {
    for (const image of output.images) opened.push(await openImage(deps, { ...output, image }, context));
    yield* encodeArchive(members(opened, output.skip));
  } finally {
    for (const { close } of opened) await close();
  }
}

/** The bytes of a `docker load` archive of images as they are. */
export function encodeSavedImages(images: readonly SavedImage[]): AsyncGenerator<Uint8Array> {
  return encodeArchive(members(images));
}

/**
 * Writes a `docker load` archive to a file or `-`.
 *
 * @throws BuildError `OUTPUT_FAILED`, and as `encodeDockerArchive`.
 */
export function writeDockerOutput(
  deps: OutputDeps,
  output: DockerOutput & { readonly destination: Destination },
  context: RunContext,
): Promise<void> {
  return writeDestination(output.destination, encodeDockerArchive(deps, output, context), context);
}

/** An image of one platform, the full references that it gets, and where its blobs are read. */
export interface SavedImage {
  readonly source: BlobSource;
  readonly documents: ImageDocuments;
  readonly references: readonly string[];
}

interface OpenedImage extends SavedImage {
  readonly close: CompressedImage['close'];
}

async function openImage(
  { store }: OutputDeps,
  { image, platform, compression, level, force }: DockerOutput & { readonly image: NamedImage },
  context: RunContext,
): Promise<OpenedImage> {
  const { descriptor } = await readImage(store.blobs, image.descriptor, exactly(platform));
  const compressed = await compressLayers(store, { descriptor, compression, level, force }, context);
  try {
    const documents = await readImage(compressed.source, compressed.descriptor);
    return { source: compressed.source, documents, references: image.references, close: compressed.close };
  } catch (error) {
    await compressed.close();
    throw error;
  }
}

async function* members(
  images: readonly SavedImage[],
  skip: ReadonlySet<string> = new Set(),
): AsyncGenerator<ArchiveMember> {
  const seen = new Set<string>(skip);
  for (const { source, documents } of images) {
    for (const blob of await listImageBlobs(source, [documents.descriptor])) {
      if (seen.has(blob.digest)) continue;
      seen.add(blob.digest);
      yield fileMember(blobPath(blob), blob.size, source.open(blobOf(blob)));
    }
  }
  const named = images.map(({ documents: { descriptor }, references }) => ({ descriptor, references }));
  yield bytesMember('index.json', layoutIndex(layoutEntries(named)));
  yield bytesMember('manifest.json', toJson(images.map(manifestEntry)));
  yield bytesMember('oci-layout', LAYOUT_FILE);
  yield bytesMember('repositories', toJson(repositories(images)));
}

/** One image in docker's own list. Names are docker's short ones. */
function manifestEntry({ documents: { manifest }, references }: SavedImage): unknown {
  return {
    Config: blobPath(manifest.config),
    RepoTags: references.length === 0 ? null : references.map(shortName),
    Layers: manifest.layers.map(blobPath),
  };
}

/** The oldest format's names: repository, tag, id of the top layer. */
function repositories(images: readonly SavedImage[]): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const names: Record<string, Record<string, string>> = {};
  for (const { documents, references } of images) {
    const top = documents.layers.at(-1)?.blob.digest ?? documents.manifest.config.digest;
    for (const reference of references) {
      const { tag, digest: _, ...repository } = parseReference(reference);
      const name = familiarReference({ ...repository });
      if (tag !== undefined) (names[name] ??= {})[tag] = digestHex(top);
    }
  }
  return names;
}

function shortName(reference: string): string {
  return familiarReference(parseReference(reference));
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
