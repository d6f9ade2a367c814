import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { type Entry, readTar, type TarEntry } from '../../archive/index.ts';
import { BuildError, type BytePath, bytesOfPath, parentOf, textOfPath } from '../../core/index.ts';

/** What was made at a path. Nothing is ever written through something that was not made here as a directory. */
type Made = Map<BytePath, Entry>;

interface Unpacking {
  /** Path of the directory with a slash behind it. */
  readonly prefix: Buffer;
  readonly made: Made;
}

/** Whoever unpacks must be able to read a file and to enter a directory, whatever the archive says. */
const OWN_FILE_BITS = 0o400;
const OWN_DIRECTORY_BITS = 0o700;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Unpacks a tar into a new directory as an ordinary user: owners and attributes are left out, devices and pipes skipped. Nothing
 * outside the directory is touched: every parent must be a directory of the archive, never a link.
 *
 * @throws BuildError `ARCHIVE_UNSAFE` for a name below a link, `ARCHIVE_INVALID`.
 */
export async function unpackTree(source: AsyncIterable<Uint8Array>, directory: string): Promise<void> {
  mkdirSync(directory, { mode: 0o755 });
  const unpacking: Unpacking = { prefix: Buffer.from(`${directory}/`), made: new Map() };
  for await (const member of readTar(source)) await unpackMember(unpacking, member);
  for (const entry of [...unpacking.made.values()].reverse()) {
    if (entry.type === 'directory') finishDirectory(unpacking, entry);
  }
}

async function unpackMember(unpacking: Unpacking, member: TarEntry): Promise<void> {
  const { entry } = member;
  const { made } = unpacking;
  const { path, type } = entry;
  if (path === '' || type === 'char' || type === 'block' || type === 'fifo') return;
  ensureDirectory(unpacking, parentOf(path), entry);
  const before = made.get(path);
  if (type === 'directory' && before?.type === 'directory') {
    made.set(path, entry);
    return;
  }
  if (before !== undefined) forget(unpacking, path);
  switch (type) {
    case 'directory':
      mkdirSync(hostPath(unpacking, path), { mode: 0o700 });
      break;
    case 'symlink':
      symlinkSync(Buffer.from(entry.linkTarget ?? '', 'latin1'), hostPath(unpacking, path));
      lutimesSync(hostPath(unpacking, path), entry.mtime, entry.mtime);
      break;
    case 'hardlink':
      linkSync(hostPath(unpacking, linkedFile(unpacking, entry)), hostPath(unpacking, path));
      break;
    case 'file':
      await writeFile(unpacking, member);
      break;
  }
  made.set(path, entry);
}

function ensureDirectory(unpacking: Unpacking, path: BytePath, wantedBy: Entry): void {
  const { made } = unpacking;
  const type = path === '' ? 'directory' : made.get(path)?.type;
  if (type === 'directory') return;
  if (type !== undefined) {
    throw new BuildError(
      'ARCHIVE_UNSAFE',
      `"${textOfPath(wantedBy.path)}" cannot be unpacked: it lies below a ${type}.`,
    );
  }
  ensureDirectory(unpacking, parentOf(path), wantedBy);
  mkdirSync(hostPath(unpacking, path), { mode: 0o700 });
  made.set(path, { path, type: 'directory', mode: 0o755, uid: 0, gid: 0, sizeBytes: 0, mtime: wantedBy.mtime });
}

function forget({ prefix, made }: Unpacking, path: BytePath): void {
  rmSync(Buffer.concat([prefix, bytesOfPath(path)]), { recursive: true, force: true });
  for (const other of made.keys()) if (other === path || other.startsWith(`${path}/`)) made.delete(other);
}

function linkedFile({ made }: Unpacking, entry: Entry): BytePath {
  const target = entry.linkTarget ?? '';
  const type = made.get(target)?.type;
  if (type !== undefined && type !== 'directory') return target;
  throw new BuildError(
    'ARCHIVE_INVALID',
    `"${textOfPath(entry.path)}" cannot be unpacked: it is a hard link to "${textOfPath(target)}", which is not there.`,
  );
}

async function writeFile(unpacking: Unpacking, { entry, body }: TarEntry): Promise<void> {
  const path = hostPath(unpacking, entry.path);
  const fd = openSync(path, NEW_FILE, 0o600);
  try {
    for await (const chunk of body) writeAll(fd, chunk);
    fchmodSync(fd, entry.mode | OWN_FILE_BITS);
  } finally {
    closeSync(fd);
  }
  utimesSync(path, entry.mtime, entry.mtime);
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function finishDirectory(unpacking: Unpacking, entry: Entry): void {
  const path = hostPath(unpacking, entry.path);
  chmodSync(path, entry.mode | OWN_DIRECTORY_BITS);
  utimesSync(path, entry.mtime, entry.mtime);
}

function hostPath({ prefix }: Unpacking, path: BytePath): Buffer {
  return Buffer.concat([prefix, bytesOfPath(path)]);
}
