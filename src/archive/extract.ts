import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfCancelled } from '../core/index.ts';
import { readContent } from './content.ts';
import {
  createDirectoryWriter,
  type DirectoryWriter,
  type ExtractOptions,
  type ExtractResult,
} from './directory-writer.ts';
import type { FileTree } from './entry.ts';
import { readTar } from './read-tar.ts';
import { layerEntriesOf } from './walk-tree.ts';

const ENTRIES_PER_TURN = 500;

/**
 * Unpacks an uncompressed tar into an empty directory, which must exist. Extended attributes are not set, devices and FIFOs
 * not made. Where the root itself is an entry of the archive, the directory gets its mode and time.
 *
 * @throws BuildError `ARCHIVE_INVALID`, `ARCHIVE_UNSAFE`, `OUTPUT_FAILED`, `CANCELLED`.
 */
export async function extractTar(
  source: AsyncIterable<Uint8Array>,
  destination: string,
  options: ExtractOptions = {},
): Promise<ExtractResult> {
  const writer = createDirectoryWriter(destination, options);
  try {
    for await (const member of readTar(source)) {
      if (options.signal !== undefined) throwIfCancelled(options.signal);
      writer.begin(member.entry);
      if (member.entry.sizeBytes === 0) continue;
      const whole = member.takeBuffered();
      if (whole !== undefined) writer.append(whole);
      else for await (const chunk of member.body) writer.append(chunk);
    }
    return writer.finish();
  } finally {
    writer.close();
  }
}

/** Writes a tree into an empty directory, which must exist; otherwise like `extractTar`. Hard links stay hard links. */
export async function extractTree(
  tree: FileTree,
  destination: string,
  options: ExtractOptions = {},
): Promise<ExtractResult> {
  const writer = createDirectoryWriter(destination, options);
  try {
    await writeTree(writer, tree, options.signal);
    return writer.finish();
  } finally {
    writer.close();
  }
}

async function writeTree(writer: DirectoryWriter, tree: FileTree, signal: AbortSignal | undefined): Promise<void> {
  let count = 0;
  for (const { entry, content } of layerEntriesOf(tree)) {
    if (++count % ENTRIES_PER_TURN === 0) {
      await nextTurn();
      if (signal !== undefined) throwIfCancelled(signal);
    }
    writer.begin(entry);
    if (content !== undefined) for (const chunk of readContent(content, entry.sizeBytes)) writer.append(chunk);
  }
}
