import { type FileTree, readContent } from '../../archive/index.ts';
import { BuildError } from '../../core/index.ts';
import { resolveInRoot } from './resolve-in-root.ts';

/** Numeric owner of new files. A part that is absent stays as it is at the source. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Larger account files are refused: they are no such files. */
const MAX_FILE_BYTES = 10 << 20;
const MAX_ID = 0xffff_fffe;
const NUMBER = /^\d+$/;

/**
 * Resolves the owner of `COPY --chown` and of `WORKDIR`: `user`, `user:group`, `:group`, each a name or a number. Names are
 * looked up in the /etc/passwd and /etc/group of the tree. A name brings its primary group, a number alone is the group's
 * too; `:group` leaves the user 0. (BuildKit takes an unknown name for 0 without a word; here it is an error, as Docker's
 * documentation says.)
 *
 * @throws BuildError `USER_NOT_FOUND` for a name that is not there, `DOCKERFILE_INVALID` for a number out of range.
 */
export function resolveOwner(text: string, root: FileTree | undefined): Owner {
  const colon = text.indexOf(':');
  const user = colon < 0 ? text : text.slice(0, colon);
  const group = colon < 0 ? '' : text.slice(colon + 1);
  const base = user === '' ? { uid: 0, gid: 0 } : resolveUser(user, root);
  return group === '' ? base : { uid: base.uid, gid: resolveGroup(group, root) };
}

function resolveUser(user: string, root: FileTree | undefined): Owner {
  if (NUMBER.test(user)) return { uid: parseId(user), gid: parseId(user) };
  const fields = findAccount(readLines(root, 'etc/passwd'), user);
  if (fields === undefined) throw unknownName('user', user, '/etc/passwd');
  return { uid: parseId(fields[2] ?? ''), gid: parseId(fields[3] ?? '') };
}

function resolveGroup(group: string, root: FileTree | undefined): number {
  if (NUMBER.test(group)) return parseId(group);
  const fields = findAccount(readLines(root, 'etc/group'), group);
  if (fields === undefined) throw unknownName('group', group, '/etc/group');
  return parseId(fields[2] ?? '');
}

/** The fields of the first well-formed line of a name. */
function findAccount(lines: readonly string[], name: string): readonly string[] | undefined {
  return lines.map((line) => line.split(':')).find((fields) => fields[0] === name && NUMBER.test(fields[2] ?? ''));
}

function readLines(root: FileTree | undefined, path: string): readonly string[] {
  if (root === undefined) return [];
  const found = resolveInRoot(root, path);
  if (found.entry?.type !== 'file' || found.entry.sizeBytes === 0) return [];
  if (found.entry.sizeBytes > MAX_FILE_BYTES) {
    throw new BuildError(
      'IMAGE_INVALID',
      `/${path} of the image has ${found.entry.sizeBytes} bytes: too many to be a list of accounts.`,
    );
  }
  const chunks = [...readContent(root.content(found.path), found.entry.sizeBytes)];
  return Buffer.concat(chunks).toString('utf8').split('\n');
}

function parseId(text: string): number {
  const id = Number(text);
  if (NUMBER.test(text) && id <= MAX_ID) return id;
  throw new BuildError('DOCKERFILE_INVALID', `"${text}" is not a user or group number.`, {
    hint: `Numbers go from 0 to ${MAX_ID}.`,
  });
}

function unknownName(kind: 'user' | 'group', name: string, file: string): BuildError {
  return new BuildError('USER_NOT_FOUND', `The ${kind} "${name}" is not in ${file} of the image.`, {
    hint: `Create it in an earlier step, or use a number.`,
  });
}
