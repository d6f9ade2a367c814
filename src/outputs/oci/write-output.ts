import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type BlobSource, BuildError, type Digest, type RunContext } from '../../core/index.ts';
import type { Descriptor, Index } from '../../oci/index.ts';
import { blobOf } from '../../oci/index.ts';
import { runEach } from '../../registry/index.ts';
import { type CompressedImage, type CompressOptions, compressLayers } from '../compress-layers.ts';
import { type ArchiveMember, bytesMember, encodeArchive, fileMember } from '../encode-archive.ts';
import { blobPath, listImageBlobs } from '../image-blobs.ts';
import { LAYOUT_FILE, layoutEntries, layoutIndex, layoutName } from '../layout-files.ts';
import type { NamedImage, OutputDeps } from '../types.ts';
import { type Destination, guardOutput, temporarySibling, writeDestination } from '../write-destination.ts';

export interface OciOutput extends CompressOptions {
  readonly images: readonly NamedImage[];
  /** Blobs that are left out of an archive: the reader has them. */
  readonly skip?: ReadonlySet<Digest> | undefined;
}

/** Blobs that are written to a directory at once: those of a registry take their time. */
const PARALLEL_FILES = 4;

/**
 * An OCI image layout as a tar (skopeo's `oci-archive`). Names are full references, in the annotations of image-spec and of
 * containerd.
 *
 * @throws BuildError as `compressLayers`.
 */
export async function* encodeOciArchive(
  deps: OutputDeps,
  output: OciOutput,
  context: RunContext,
): AsyncGenerator<Uint8Array> {
  const opened = await openImages(deps, output, context);
  try {
    yield* encodeLayout(opened);
  } finally {
    await opened.close();
  }
}

/** The bytes of an OCI image layout as a tar. */
export function encodeLayout(content: LayoutContent): AsyncGenerator<Uint8Array> {
  return encodeArchive(members(content));
}

async function* members(content: LayoutContent): AsyncGenerator<ArchiveMember> {
  yield bytesMember('oci-layout', LAYOUT_FILE);
  yield bytesMember('index.json', layoutIndex(content.entries));
  for await (const { blob, source } of content.blobs()) {
    yield fileMember(blobPath(blob), blob.size, source.open(blobOf(blob)));
  }
}

/**
 * Writes an OCI image layout: as a tar to a file or `-`, or as a directory. A directory that is a layout already gets the
 * images added; names move.
 *
 * @throws BuildError `OUTPUT_FAILED`, and as `compressLayers`.
 */
export async function writeOciOutput(
  deps: OutputDeps,
  output: OciOutput & { readonly destination: Destination; readonly tar: boolean },
  context: RunContext,
): Promise<void> {
  if (output.tar || typeof output.destination !== 'string') {
    return writeDestination(output.destination, encodeOciArchive(deps, output, context), context);
  }
  const opened = await openImages(deps, output, context);
  try {
    await writeLayout(output.destination, opened, context);
  } finally {
    await opened.close();
  }
}

/** A blob, and where it is read. */
interface LayoutBlob {
  readonly blob: Descriptor;
  readonly source: BlobSource;
}

/** What a layout is written from: the entries of its index, and every blob that they need. */
export interface LayoutContent {
  readonly entries: readonly Descriptor[];
  blobs(): AsyncIterable<LayoutBlob>;
}

interface OpenedImages extends LayoutContent {
  close(): Promise<void>;
}

async function openImages(deps: OutputDeps, output: OciOutput, context: RunContext): Promise<OpenedImages> {
  const opened: CompressedImage[] = [];
  const close = async (): Promise<void> => {
    for (const image of opened) await image.close();
  };
  try {
    const { compression, level, force } = output;
    for (const { descriptor } of output.images) {
      opened.push(await compressLayers(deps.store, { descriptor, compression, level, force }, context));
    }
  } catch (error) {
    await close();
    throw error;
  }
  const named = opened.map(({ descriptor }, at) => ({ descriptor, references: output.images[at]?.references ?? [] }));
  return {
    entries: layoutEntries(named),
    close,
    blobs: async function* () {
      const seen = new Set<string>(output.skip);
      for (const { descriptor, source } of opened) {
        for (const blob of await listImageBlobs(source, [descriptor])) {
          if (!seen.has(blob.digest)) yield { blob, source };
          seen.add(blob.digest);
        }
      }
    },
  };
}

/**
 * Writes an OCI image layout into a directory, or adds to the one that is there; blobs that it has are not read. `index.json`
 * comes last: until then the directory holds no new image, whatever happens.
 *
 * @throws BuildError `OUTPUT_FAILED`, and what reading a blob throws.
 */
export async function writeLayout(
  destination: string,
  opened: LayoutContent,
  context: RunContext,
): Promise<{ readonly written: number; readonly existed: number }> {
  const path = resolve(destination);
  const before = guardOutput(destination, () => readLayout(path));
  const target = before === undefined ? temporarySibling(path) : path;
  // Progress per file of the layout would tell nobody anything; compression has told of its own.
  const silent: RunContext = { ...context, emit: () => undefined };
  const counts = { written: 0, existed: 0 };
  try {
    const work = async ({ blob, source }: LayoutBlob, inner: RunContext): Promise<void> => {
      const file = join(target, blobPath(blob));
      const isHere = statSync(file, { throwIfNoEntry: false })?.size === blob.size;
      counts[isHere ? 'existed' : 'written'] += 1;
      if (isHere) return;
      guardOutput(destination, () => mkdirSync(dirname(file), { recursive: true }));
      await writeDestination(file, source.open(blobOf(blob)), inner);
    };
    await runEach(opened.blobs(), { atOnce: PARALLEL_FILES, work }, silent);
    const names = new Set(opened.entries.map(layoutName));
    const kept = (before?.manifests ?? []).filter((entry) => !names.has(layoutName(entry)));
    await writeDestination(join(target, 'oci-layout'), once(LAYOUT_FILE), silent);
    await writeDestination(join(target, 'index.json'), once(layoutIndex([...kept, ...opened.entries])), silent);
    if (target !== path) guardOutput(destination, () => renameSync(target, path));
    return counts;
  } finally {
    if (target !== path) rmSync(target, { recursive: true, force: true });
  }
}

/** The index of a layout that is there; an empty one for an empty directory; undefined where nothing is. */
function readLayout(path: string): Pick<Index, 'manifests'> | undefined {
  if (!existsSync(path)) return undefined;
  if (existsSync(join(path, 'oci-layout')) && existsSync(join(path, 'index.json'))) {
    return JSON.parse(readFileSync(join(path, 'index.json'), 'utf8')) as Index;
  }
  if (readdirSync(path).length === 0) return { manifests: [] };
  throw new BuildError(
    'OUTPUT_FAILED',
    `The image cannot be written to "${path}": it holds files, and is no OCI image layout.`,
    {
      hint: 'Name a new directory, or write a tar file.',
    },
  );
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
