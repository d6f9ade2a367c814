import { throwIfCancelled } from '../core/index.ts';
import { createDirectoryWriter, type ExtractOptions, type ExtractResult } from './directory-writer.ts';
import { readTar } from './read-tar.ts';

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
