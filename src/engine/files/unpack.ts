import type { Entry, LayerEntry } from '../../archive/index.ts';
import { BuildError, type BytePath, parentOf, textOfPath } from '../../core/index.ts';
import type { DraftNode, LayerDraft } from './layer-draft.ts';
import { makeDirectories } from './make-directories.ts';
import type { Owner } from './ownership.ts';
import { resolveInRoot } from './resolve-in-root.ts';

/** The members of an archive in its order: names cleaned and below the root, link targets of hard links likewise. */
export type Archive = Iterable<LayerEntry>;

/** Where an archive is unpacked. */
export interface UnpackTarget {
  readonly draft: LayerDraft;
  /** An existing directory of the draft. Symlinks in names are followed inside it, as after chroot. */
  readonly root: BytePath;
  /** Overrides the owners of the archive. */
  readonly owner: Owner | undefined;
  /** Seconds since the epoch, for parents that the archive does not mention. */
  readonly clockSeconds: number;
}

/**
 * Unpacks an archive over what is there: directories merge and take the archive's metadata, everything else is replaced,
 * whatever its type. The archive's own root entry changes nothing. Owners, modes, times, links and attributes are kept.
 *
 * @throws BuildError `ARCHIVE_UNSAFE` for links that leave the root, `ARCHIVE_INVALID` for a hard link to nothing.
 */
export function unpackInto(target: UnpackTarget, archive: Archive): void {
  const { draft, root } = target;
  /** Parents as the archive names them, and where they are: most entries share their parent with the one before. */
  const parents = new Map<BytePath, BytePath>();
  const placeOf = (path: BytePath): BytePath => {
    const parent = parentOf(path);
    let place = parents.get(parent);
    if (place === undefined) {
      const metadata = { mode: 0o755, owner: target.owner ?? { uid: 0, gid: 0 }, mtime: target.clockSeconds };
      place = makeDirectories(withReplacedParents(draft), parent, { ...metadata, scope: root });
      parents.set(parent, place);
    }
    const name = path.slice(path.lastIndexOf('/') + 1);
    return place === '' ? name : `${place}/${name}`;
  };
  for (const member of archive) {
    if (member.entry.path === '') continue;
    const place = placeOf(member.entry.path);
    const before = draft.stat(place);
    // What was resolved through here may lead elsewhere now.
    if (before !== undefined && (before.type !== 'directory' || member.entry.type !== 'directory')) parents.clear();
    draft.set(toNode(target, { member, place }));
  }
}

function toNode(target: UnpackTarget, { member, place }: { member: LayerEntry; place: BytePath }): DraftNode {
  const { entry } = member;
  if (entry.type === 'hardlink') return linkNode(target, entry, place);
  if (entry.type === 'symlink') refuseLeavingLink(target, entry, place);
  // A link has no mode of its own on Linux: once unpacked it would show this one, whatever the archive says.
  const mode = entry.type === 'symlink' ? 0o777 : entry.mode;
  const owned: Entry = { ...entry, ...(target.owner ?? {}), mode, path: place };
  return member.content === undefined ? { entry: owned } : { entry: owned, content: member.content };
}

/** A second name of a file that the archive has brought, or of one that the image had. */
function linkNode(target: UnpackTarget, entry: Entry, place: BytePath): DraftNode {
  const { draft, root } = target;
  const found = resolveInRoot(draft, entry.linkTarget ?? '', { scope: root, followLast: false });
  const node = draft.node(found.path);
  if (found.entry === undefined || found.entry.type === 'directory') {
    const name = textOfPath(entry.path);
    throw new BuildError(
      'ARCHIVE_INVALID',
      `"${name}" cannot be unpacked: it is a hard link to "${textOfPath(entry.linkTarget ?? '')}", which is not there.`,
    );
  }
  if (node === undefined) return adoptedNode(target, found.path, place);
  const link = node.link ?? {};
  if (node.link === undefined) draft.set({ ...node, link });
  return { ...node, entry: { ...node.entry, path: place }, link };
}

/** A hard link to a file of the base: the file is taken into the layer, so that both names share it. */
function adoptedNode(target: UnpackTarget, from: BytePath, place: BytePath): DraftNode {
  const link = {};
  const { draft } = target;
  const entry = draft.stat(from) as Entry;
  const content = entry.sizeBytes > 0 ? draft.baseContent(from) : undefined;
  const node: DraftNode =
    content === undefined
      ? { entry: { ...entry, path: from }, link }
      : { entry: { ...entry, path: from }, content, link };
  draft.set(node);
  return { ...node, entry: { ...entry, path: place } };
}

function refuseLeavingLink(target: UnpackTarget, entry: Entry, place: BytePath): void {
  const text = entry.linkTarget ?? '';
  if (text.startsWith('/')) return;
  const inside = target.root === '' ? parentOf(place) : parentOf(place).slice(target.root.length + 1);
  let depth = inside === '' ? 0 : inside.split('/').length;
  for (const part of text.split('/')) {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    if (depth < 0 && target.root !== '') {
      throw new BuildError(
        'ARCHIVE_UNSAFE',
        `"${textOfPath(entry.path)}" cannot be unpacked: it is a link to "${textOfPath(text)}", out of the destination.`,
        { hint: 'Unpack the archive at /, or make its links absolute.' },
      );
    }
  }
}

/** Parents that the archive needs as directories replace what else is there. */
function withReplacedParents(draft: LayerDraft): LayerDraft {
  return {
    ...draft,
    stat: (path) => {
      const entry = draft.stat(path);
      return entry === undefined || entry.type === 'directory' || entry.type === 'symlink' ? entry : undefined;
    },
  };
}
