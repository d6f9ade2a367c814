import type { Entry, FileTree } from '../../archive/index.ts';
import {
  BuildError,
  type BytePath,
  bytePathOf,
  locksDirectories,
  type ModeChange,
  parentOf,
  parseFileMode,
  textOfPath,
} from '../../core/index.ts';
import { createLayerDraft, type DraftNode, type LayerDraft, type TreePlace } from './layer-draft.ts';
import { type DirectoryMetadata, makeDirectories, notDirectory } from './make-directories.ts';
import type { Owner } from './ownership.ts';
import { resolveInRoot } from './resolve-in-root.ts';
import { type Selection, walkSelection } from './selection.ts';
import { type Archive, unpackInto } from './unpack.ts';

/** One thing to be copied, in the order of the instruction. */
export type CopyItem =
  | { readonly kind: 'selection'; readonly selection: Selection; readonly ownerless: boolean }
  | { readonly kind: 'archive'; readonly archive: Archive }
  | { readonly kind: 'inline'; readonly fileName: string; readonly text: string };

/** A COPY or ADD with everything resolved that needs I/O. */
export interface CopyPlanInput {
  /** Absent for `--link`: the layer stands alone. */
  readonly base: FileTree | undefined;
  readonly items: readonly CopyItem[];
  readonly destination: string;
  readonly owner: Owner | undefined;
  readonly chmod: string | undefined;
  /** Seconds since the epoch, for directories that are made on the way and for inline files. */
  readonly clockSeconds: number;
  /** Told of the first directory that gets a mode by which those who may list it cannot enter it. */
  readonly onLockedDirectory?: (path: BytePath) => void;
}

interface CopyState {
  readonly input: CopyPlanInput;
  readonly draft: LayerDraft;
  readonly mode: ModeChange | undefined;
  /** One object for the names of one file, by tree and link id. */
  readonly links: Map<FileTree, Map<string, object>>;
}

const INLINE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/**
 * Decides the layer of a COPY or ADD; nothing is read but metadata. BuildKit's file operations decide the behaviour: the
 * destination's symlinks are followed inside the image; a directory's content goes into the destination, whose own mode and
 * owner stay when it exists; nested directories bring theirs; files replace files and links; a file never replaces a directory.
 *
 * @throws BuildError `COPY_CONFLICT`, `ARCHIVE_UNSAFE`.
 */
export function planCopy(input: CopyPlanInput): LayerDraft {
  const state: CopyState = {
    input,
    draft: createLayerDraft(input.base),
    mode: input.chmod === undefined ? undefined : parseFileMode(input.chmod),
    links: new Map(),
  };
  for (const item of input.items) copyItem(state, item);
  if (state.mode !== undefined && locksDirectories(state.mode)) {
    const locked = state.draft.paths().find((path) => isLocked(state, path));
    if (locked !== undefined) input.onLockedDirectory?.(locked);
  }
  return state.draft;
}

/** What only got another time keeps the mode that it had. */
function isLocked({ draft, mode, input }: CopyState, path: BytePath): boolean {
  const entry = draft.stat(path);
  return entry?.type === 'directory' && entry.mode === mode?.octal && input.base?.stat(path)?.mode !== entry.mode;
}

function copyItem(state: CopyState, item: CopyItem): void {
  const { input, draft } = state;
  const destination = bytePathOf(input.destination);
  if (item.kind === 'archive') {
    const root = makeDirectories(draft, destination, { ...parentMetadata(state), mode: DIRECTORY_MODE });
    unpackInto({ draft, root, owner: input.owner, clockSeconds: input.clockSeconds }, item.archive);
    return;
  }
  const parent = destination.endsWith('/') ? destination : parentOf(destination.replace(/\/+$/, ''));
  makeDirectories(draft, parent, parentMetadata(state));
  if (item.kind === 'selection' && item.selection.entry.type === 'directory') copyDirectory(state, item);
  else copyFile(state, item);
}

function copyDirectory(state: CopyState, item: Extract<CopyItem, { kind: 'selection' }>): void {
  const { draft, input } = state;
  const target = makeDirectories(draft, bytePathOf(input.destination), parentMetadata(state));
  const prefix = target === '' ? '' : `${target}/`;
  for (const walked of walkSelection(item.selection)) {
    const path = prefix + walked.relative;
    const before = draft.stat(path);
    if (walked.entry.type === 'directory') {
      if (before !== undefined && before.type !== 'directory') throw notDirectory(path);
      // A directory that is there only as the way to something else keeps its owner.
      const entry = walked.implied && before !== undefined ? { ...before, mode: walked.entry.mode } : walked.entry;
      draft.set({ entry: toEntry(state, { path, entry, ownerless: item.ownerless && entry === walked.entry }) });
    } else {
      if (before?.type === 'directory') throw isDirectory(path);
      draft.set(toNode(state, { path, entry: walked.entry, from: walked.path, item }));
    }
  }
  if (target !== '') touchDirectory(draft, target, item.selection.entry.mtime);
}

/** The destination of a directory ends up with the source's time; its mode and owner are its own. */
function touchDirectory(draft: LayerDraft, path: BytePath, mtime: number): void {
  const entry = draft.stat(path);
  if (entry !== undefined) draft.set({ entry: { ...entry, path, mtime } });
}

function copyFile(state: CopyState, item: Exclude<CopyItem, { kind: 'archive' }>): void {
  const { draft, input } = state;
  const named = resolveInRoot(draft, bytePathOf(input.destination));
  const name = item.kind === 'inline' ? bytePathOf(item.fileName) : item.selection.name;
  const isInside = named.entry?.type === 'directory';
  if (!isInside && input.items.length > 1) throw needsDirectory(input.destination);
  const path = isInside ? joinName(named.path, name) : named.path;
  if (draft.stat(path)?.type === 'directory') throw isDirectory(path);
  draft.set(
    item.kind === 'inline'
      ? inlineNode(state, path, item.text)
      : toNode(state, { path, entry: item.selection.entry, from: item.selection.path, item }),
  );
}

function inlineNode(state: CopyState, path: BytePath, text: string): DraftNode {
  const bytes = Buffer.from(text, 'utf8');
  const plain: Entry = {
    path,
    type: 'file',
    mode: INLINE_MODE,
    uid: 0,
    gid: 0,
    sizeBytes: bytes.length,
    mtime: state.input.clockSeconds,
  };
  const entry = toEntry(state, { path, entry: plain, ownerless: true });
  return bytes.length === 0 ? { entry } : { entry, content: { kind: 'bytes', bytes } };
}

interface CopiedFile {
  readonly path: BytePath;
  readonly entry: Entry;
  readonly from: BytePath;
  readonly item: Extract<CopyItem, { kind: 'selection' }>;
}

function toNode(state: CopyState, { path, entry, from, item }: CopiedFile): DraftNode {
  const { tree } = item.selection;
  const copied = toEntry(state, { path, entry, ownerless: item.ownerless });
  const id = entry.type === 'file' ? tree.linkId(from) : undefined;
  const content: TreePlace | undefined = entry.sizeBytes > 0 ? { kind: 'place', tree, path: from } : undefined;
  if (id === undefined) return content === undefined ? { entry: copied } : { entry: copied, content };
  const link = linkOf(state, tree, id);
  return content === undefined ? { entry: copied, link } : { entry: copied, content, link };
}

function linkOf(state: CopyState, tree: FileTree, id: string): object {
  const ofTree = state.links.get(tree) ?? new Map<string, object>();
  state.links.set(tree, ofTree);
  const link = ofTree.get(id) ?? {};
  ofTree.set(id, link);
  return link;
}

function toEntry(state: CopyState, of: { path: BytePath; entry: Entry; ownerless: boolean }): Entry {
  const { owner } = state.input;
  const { path, entry } = of;
  const { uid, gid } = owner ?? (of.ownerless ? { uid: 0, gid: 0 } : entry);
  const { type } = entry;
  const isChanged = state.mode !== undefined && type !== 'symlink';
  const mode = isChanged ? state.mode.apply(entry.mode, type === 'directory') : entry.mode;
  return { ...entry, path, uid, gid, mode };
}

function parentMetadata(state: CopyState): DirectoryMetadata {
  const { owner, clockSeconds } = state.input;
  return { mode: state.mode?.octal ?? DIRECTORY_MODE, owner: owner ?? { uid: 0, gid: 0 }, mtime: clockSeconds };
}

function joinName(directory: BytePath, name: BytePath): BytePath {
  return directory === '' ? name : `${directory}/${name}`;
}

function isDirectory(path: BytePath): BuildError {
  return new BuildError(
    'COPY_CONFLICT',
    `A file cannot be copied to "/${textOfPath(path)}": there is a directory of that name.`,
    {
      hint: 'Copy to another place, or remove the directory in an earlier step.',
    },
  );
}

function needsDirectory(destination: string): BuildError {
  return new BuildError(
    'COPY_CONFLICT',
    `Several sources cannot be copied to "${destination}": it is not a directory.`,
    {
      hint: `End the destination with a slash: "${destination}/".`,
    },
  );
}
