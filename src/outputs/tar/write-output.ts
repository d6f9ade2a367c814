import { type LayerEntry, layerEntriesOf, readContent } from '../../archive/index.ts';
import type { Platform, RunContext } from '../../core/index.ts';
import { type Descriptor, readImage } from '../../oci/index.ts';
import { type ArchiveMember, encodeArchive } from '../encode-archive.ts';
import { exactly } from '../exactly.ts';
import { openRootfs } from '../open-rootfs.ts';
import type { OutputDeps } from '../types.ts';
import { type Destination, writeDestination } from '../write-destination.ts';

export interface TarOutput {
  readonly descriptor: Descriptor;
  /** Which image of an index; default this host's. */
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
  const image = await readImage(store.blobs, output.descriptor, exactly(output.platform));
  const rootfs = await openRootfs(store, image, context);
  try {
    yield* encodeArchive(toMembers(layerEntriesOf(rootfs.tree)));
  } finally {
    await rootfs.close();
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
