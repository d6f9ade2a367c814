import { type BytePath, parentOf, throwIfCancelled } from '../core/index.ts';
import type { Entry, FileTree } from './entry.ts';
import { isOverlayOpaque, layerXattrs } from './overlay-xattrs.ts';
import { readTar, type TarEntry } from './read-tar.ts';
import type { ByteSink } from './tar-encoder.ts';
import { createLayerWriter, type LayerWriter, type WriteLayerOptions, type WrittenLayer } from './write-layer.ts';

export interface WriteOverlayLayerOptions extends WriteLayerOptions {
  /**
   * The view of the layers below. With it deletions of names that are not there are left out, opaque marks become whiteouts
   * of the names that are gone (rule 172), and the root's entry is written only when its owner or mode changed. Absent:
   * opaque marks are kept, the root is left out.
   */
  readonly below?: FileTree | undefined;
  /** Members that are not the step's doing, such as mount points made for it. Asked for every member by itself. */
  readonly exclude?: (path: BytePath) => boolean;
}

/**
 * Turns what `tar --format=pax --sort=name --numeric-owner --xattrs --xattrs-include=* -C upper -cf - .` tells of the upper
 * directory of an overlay into a layer: char devices 0/0 become whiteouts, overlay's attributes are taken out, of the others
 * `security.capability` and `user.*` are kept, times are cut to whole seconds. Content passes through; it is never whole in
 * memory.
 *
 * @throws BuildError `ARCHIVE_INVALID` for a damaged stream, and for a name that a layer cannot hold; `CANCELLED`.
 */
export async function writeLayerFromOverlayTar(
  source: AsyncIterable<Uint8Array>,
  sink: ByteSink,
  options: WriteOverlayLayerOptions = {},
): Promise<WrittenLayer> {
  const writer = createLayerWriter(sink, options);
  const changes = createChangeFilter(writer, options);
  try {
    for await (const member of readTar(source)) {
      if (options.signal !== undefined) throwIfCancelled(options.signal);
      const entry = changes.accept(member.entry);
      if (entry === undefined) continue;
      if (entry.type === 'file' && entry.sizeBytes > 0) await addFile(writer, entry, member);
      else writer.add({ entry });
    }
    changes.end();
    return writer.finish();
  } finally {
    writer.close();
  }
}

async function addFile(writer: LayerWriter, entry: Entry, member: TarEntry): Promise<void> {
  writer.begin(entry);
  const whole = member.takeBuffered();
  if (whole !== undefined) writer.append(whole);
  else for await (const chunk of member.body) writer.append(chunk);
}

interface ChangeFilter {
  /** The entry as the layer has it; undefined when it is none, or was written as a whiteout. */
  accept(entry: Entry): Entry | undefined;
  /** Writes what only the whole tells: names that vanished from opaque directories. */
  end(): void;
}

function createChangeFilter(writer: LayerWriter, { below, exclude }: WriteOverlayLayerOptions): ChangeFilter {
  /** All deletions are hard links of one device: tar tells the later ones as links to the first. */
  const whiteouts = new Set<BytePath>();
  /** Opaque directories that hide something, and everything that is in them. */
  const opaque: BytePath[] = [];
  const inOpaque = new Map<BytePath, Entry['type']>();

  const whiteout = (path: BytePath): void => {
    whiteouts.add(path);
    if (below === undefined || below.stat(path) !== undefined) writer.add({ whiteout: path });
  };
  const noteOpaque = (entry: Entry): void => {
    const isInside = inOpaque.has(parentOf(entry.path)) && entry.path !== '';
    const hides =
      entry.type === 'directory' && isOverlayOpaque(entry.xattrs) && below?.stat(entry.path)?.type === 'directory';
    if (isInside || hides) inOpaque.set(entry.path, entry.type);
    if (hides && !isInside) opaque.push(entry.path);
  };
  const removeVanished = (directory: BytePath): void => {
    for (const name of below!.list(directory)) {
      const path = directory === '' ? name : `${directory}/${name}`;
      const now = inOpaque.get(path);
      if (now === undefined) {
        if (!whiteouts.has(path)) writer.add({ whiteout: path });
      } else if (now === 'directory' && below!.stat(path)?.type === 'directory') removeVanished(path);
    }
  };

  return {
    accept(entry) {
      if (exclude?.(entry.path) === true) return undefined;
      if (isWhiteoutDevice(entry) || (entry.type === 'hardlink' && whiteouts.has(entry.linkTarget ?? ''))) {
        whiteout(entry.path);
        return undefined;
      }
      noteOpaque(entry);
      const { xattrs, ...rest } = entry;
      const kept = layerXattrs(xattrs);
      const clean = kept === undefined ? rest : { ...rest, xattrs: kept };
      if (entry.path === '') return isRootChanged(clean, below) ? clean : undefined;
      if (below === undefined && isOverlayOpaque(xattrs)) {
        writer.add({ entry: clean });
        writer.add({ opaque: entry.path });
        return undefined;
      }
      return clean;
    },
    end() {
      for (const directory of opaque) removeVanished(directory);
    },
  };
}

function isWhiteoutDevice(entry: Entry): boolean {
  return entry.type === 'char' && entry.device?.major === 0 && entry.device.minor === 0;
}

function isRootChanged(entry: Entry, below: FileTree | undefined): boolean {
  const before = below?.stat('');
  if (before === undefined) return false;
  return before.mode !== entry.mode || before.uid !== entry.uid || before.gid !== entry.gid;
}
