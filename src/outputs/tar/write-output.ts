import { type LayerEntry, layerEntriesOf, readContent } from '../../archive/index.ts';
import type { Platform, RunContext } from '../../core/index.ts';
import type { Descriptor } from '../../oci/index.ts';
import { type ArchiveMember, encodeArchive } from '../encode-archive.ts';
import { openRootfs, type Rootfs } from '../open-rootfs.ts';
import { listPlatformImages } from '../platform-images.ts';
import type { OutputDeps } from '../types.ts';
import { type Destination, writeDestination } from '../write-destination.ts';

export interface TarOutput {
  readonly descriptor: Descriptor;
  /** Which image of an index; default all that are here, several in a folder each (`linux_arm64`). */
  readonly platform?: Platform | undefined;
}

/**
 * The root file system of an image as one tar: whiteouts applied, owners, devices, hard links and extended attributes kept,
 * names in byte order, as `docker export` has it.
 *
 * @throws BuildError `PLATFORM_NOT_FOUND`, `IMAGE_INVALID`, `BLOB_MISSING`, `BLOB_DIGEST_MISMATCH`, `ARCHIVE_INVALID`.
 */
export async function* encodeRootfs(
  { store }: OutputDeps,
  output: TarOutput,
  context: RunContext,
): AsyncGenerator<Uint8Array> {
  const opened: OpenedImage[] = [];
  try {
    for (const { image, folder } of await listPlatformImages(store, output)) {
      opened.push({ rootfs: await openRootfs(store, image, context), folder });
    }
    yield* encodeArchive(toMembers(entriesOf(opened)));
  } finally {
    for (const { rootfs } of opened) await rootfs.close();
  }
}

interface OpenedImage {
  readonly rootfs: Rootfs;
  readonly folder: string;
}

function* entriesOf(images: readonly OpenedImage[]): Generator<LayerEntry> {
  for (const { rootfs, folder } of images) {
    const items = layerEntriesOf(rootfs.tree);
    if (folder === '') yield* items;
    else yield* below(folder, items);
  }
}

/** The entries of a root file system as they are in a folder. */
function* below(folder: string, items: Iterable<LayerEntry>): Generator<LayerEntry> {
  yield { entry: { path: folder, type: 'directory', mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtime: 0 } };
  for (const { entry, ...item } of items) {
    const target = entry.type === 'hardlink' ? { linkTarget: `${folder}/${entry.linkTarget}` } : {};
    yield { ...item, entry: { ...entry, ...target, path: `${folder}/${entry.path}` } };
  }
}

/**
 * Writes the root file system of an image as a tar to a file or `-`.
 *
 * @throws BuildError `OUTPUT_FAILED`, and as `encodeRootfs`.
 */
export function writeTarOutput(
  deps: OutputDeps,
  output: TarOutput & { readonly destination: Destination },
  context: RunContext,
): Promise<void> {
  return writeDestination(output.destination, encodeRootfs(deps, output, context), context);
}

/** Files up to this size are read whole: opening the layer anew for each costs more than their bytes. */
const SMALL_BYTES = 1 << 20;

function* toMembers(entries: Iterable<LayerEntry>): Generator<ArchiveMember> {
  for (const item of entries) {
    const { entry, content } = item;
    if (content === undefined || entry.sizeBytes <= SMALL_BYTES) yield { small: item };
    else yield { entry, content: readContent(content, entry.sizeBytes) };
  }
}
