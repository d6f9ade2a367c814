import type { BytePath } from '../core/index.ts';

/** File types that a layer can hold. A hard link is a second name of a file, known by its `linkTarget`. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo';

/** The metadata of one name in a tree or a layer. */
export interface Entry {
  /** From the root; the root directory itself is `''`. */
  readonly path: BytePath;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Length of a file's content; 0 for every other type. */
  readonly sizeBytes: number;
  /** Modification time in whole seconds since the Unix epoch; may be negative. */
  readonly mtime: number;
  /** What the modification time has beyond its whole seconds, 0 to 999,999,999. Layers have none; only `createTarEncoder` writes it. */
  readonly nanoseconds?: number;
  /** Of a symlink: its text, byte for byte. Of a hard link: the path of the first name, from the root. */
  readonly linkTarget?: string;
  /** Of a char or block device. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** Extended attributes by full name, such as `security.capability`; values are raw bytes. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** A stretch of a sparse file that is not a hole: `sizeBytes` bytes at `offset` of the file lie at `fileOffset` of the archive. */
export interface SparseSegment {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly fileOffset: number;
}

/**
 * Where the bytes of a file are. A `range` lies in an uncompressed layer blob, a `host-file` anywhere on this machine;
 * `sparse` is a `range` with holes (GNU sparse members). `readContent` reads all kinds.
 */
export type Content =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'host-file'; readonly path: string | Buffer }
  | { readonly kind: 'range'; readonly file: string; readonly offset: number }
  | { readonly kind: 'sparse'; readonly file: string; readonly segments: readonly SparseSegment[] };

/** An entry of a layer to be written. `content` is there exactly for files with `sizeBytes` greater than 0. */
export interface LayerEntry {
  readonly entry: Entry;
  readonly content?: Content;
}

/**
 * A tree of files that can be copied from: a directory of the host, an unpacked archive, or the merged view of a stack of
 * layers. Paths are taken literally: no symlink is followed. All methods are synchronous and may do blocking I/O on
 * metadata; content is only named, never read.
 */
export interface FileTree {
  /** The entry at a path, never of type `hardlink`; undefined where there is none. The root is always a directory. */
  stat(path: BytePath): Entry | undefined;
  /** Names (one component each) in a directory, in byte order. Empty for anything but a directory. */
  list(path: BytePath): readonly BytePath[];
  /** The content of the file at a path. */
  content(path: BytePath): Content;
  /** An id shared by exactly the names that are hard links of one file; undefined when the file has one name. */
  linkId(path: BytePath): string | undefined;
}

/** Hides a name of lower layers. In the tar it is an empty file `.wh.<name>` beside it (image-spec, layer.md). */
export interface Whiteout {
  readonly whiteout: BytePath;
}

/** Hides everything that lower layers hold in a directory. In the tar it is an empty file `.wh..wh..opq` in it. */
export interface OpaqueMark {
  readonly opaque: BytePath;
}

/** Anything that a layer can hold. */
export type LayerItem = LayerEntry | Whiteout | OpaqueMark;
