import { indexLayer, type LayerEntry, type Toc } from '../../archive/index.ts';
import { BuildError, type BytePath, type RunContext, textOfPath } from '../../core/index.ts';
import type { EngineEnv } from '../types.ts';
import { decompressToFile, isTar } from './archive-file.ts';
import type { Selection } from './selection.ts';
import type { Archive } from './unpack.ts';

/** A file that may be an archive. */
export interface ArchiveRequest {
  readonly selection: Selection;
  /** What is no archive is an error then. */
  readonly required: boolean;
}

/** An archive that is open; `close` removes what had to be unpacked for it. */
export interface OpenArchive {
  readonly archive: Archive;
  close(): Promise<void>;
}

/**
 * Opens a file as a tar archive when it is one, plain or compressed by gzip, bzip2, xz or zstd. Its content decides, never its
 * name: the first header must be readable. Undefined for anything else, also for an empty file and for compressed data that
 * is no tar.
 *
 * @throws BuildError `ARCHIVE_INVALID` for damage behind the first header, or when an archive is required; `ARCHIVE_UNSAFE`.
 */
export async function openArchive(
  env: Pick<EngineEnv, 'store'>,
  { selection, required }: ArchiveRequest,
  context: RunContext,
): Promise<OpenArchive | undefined> {
  const { path, entry, tree } = selection;
  const file = { content: tree.content(path), sizeBytes: entry.sizeBytes };
  if (entry.sizeBytes === 0 || !(await isTar(file))) {
    if (!required) return undefined;
    throw new BuildError('ARCHIVE_INVALID', `"${textOfPath(path)}" cannot be unpacked: it is not a tar archive.`, {
      hint: 'Archives are tar files, plain or compressed by gzip, bzip2, xz or zstd. Leave out --unpack to copy the file.',
    });
  }
  const unpacked = await decompressToFile(env.store, file, context);
  try {
    return {
      archive: membersOf(indexLayer(unpacked.path, { whiteouts: false }), unpacked.path),
      close: unpacked.close,
    };
  } catch (error) {
    await unpacked.close();
    throw error;
  }
}

/** The members that an archive defines, parents first; of names of one file the first brings the content. */
function* membersOf(toc: Toc, tarPath: string): Generator<LayerEntry> {
  const firstNames = new Map<number, BytePath>();
  for (const node of toc.walk()) {
    if (!toc.isDefined(node)) continue;
    const entry = toc.entry(node);
    const group = toc.linkGroup(node);
    const first = group === 0 ? undefined : firstNames.get(group);
    if (first !== undefined) {
      yield { entry: { ...entry, type: 'hardlink', sizeBytes: 0, linkTarget: first } };
      continue;
    }
    if (group !== 0) firstNames.set(group, entry.path);
    yield entry.sizeBytes > 0 ? { entry, content: toc.content(node, tarPath) } : { entry };
  }
}
