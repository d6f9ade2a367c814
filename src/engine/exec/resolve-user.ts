import { type FileTree, readContent, resolvePath } from '../../archive/index.ts';
import { BuildError } from '../../core/index.ts';
import type { ProcessUser } from './types.ts';

/** Larger account files are refused: they are no such files. */
const MAX_FILE_BYTES = 10 << 20;
const NUMBER = /^\d{1,10}$/;
const MAX_ID = 0xffff_fffe;

/**
 * Resolves `USER` as a container runtime does, in the /etc/passwd and /etc/group of the tree: a name or number brings its
 * primary group (0 when a number is not listed) and the groups that list it as a member; `user:group` is exactly that group,
 * without others. Without `user` it is the user with number 0. (moby's sys/user `GetExecUser` decides.)
 *
 * @throws BuildError `USER_NOT_FOUND` for a name that is not there, `IMAGE_INVALID` for account files beyond 10 MiB.
 */
export function resolveProcessUser(user: string | undefined, root: FileTree): ProcessUser {
  const text = user ?? '';
  const colon = text.indexOf(':');
  const name = (colon < 0 ? text : text.slice(0, colon)) || '0';
  const group = colon < 0 ? '' : text.slice(colon + 1);
  const account = readLines(root, 'etc/passwd').find(
    (fields) => isNumber(fields[2]) && (fields[0] === name || fields[2] === String(Number(name))),
  );
  if (account === undefined && !isNumber(name)) throw unknownName('user', name);
  const uid = parseId(account?.[2] ?? name);
  const home = account?.[5] || '/';
  if (group !== '') return { uid, gid: resolveGroup(group, root), groups: [], home };
  const gid = parseId(account?.[3] ?? '0');
  return { uid, gid, groups: account === undefined ? [] : memberships(account[0] ?? '', root), home };
}

function memberships(name: string, root: FileTree): readonly number[] {
  return readLines(root, 'etc/group')
    .filter((fields) => isNumber(fields[2]) && (fields[3] ?? '').split(',').includes(name))
    .map((fields) => Number(fields[2]));
}

function resolveGroup(group: string, root: FileTree): number {
  const found = readLines(root, 'etc/group').find((fields) => fields[0] === group && isNumber(fields[2]));
  if (found === undefined && !isNumber(group)) throw unknownName('group', group);
  return parseId(found?.[2] ?? group);
}

function readLines(root: FileTree, path: string): ReadonlyArray<readonly string[]> {
  const place = resolvePath(root, path, { followLast: true });
  const entry = root.stat(place);
  if (entry?.type !== 'file' || entry.sizeBytes === 0) return [];
  if (entry.sizeBytes > MAX_FILE_BYTES) {
    throw new BuildError('IMAGE_INVALID', `/${path} of the image has ${entry.sizeBytes} bytes: no list of accounts.`, {
      hint: 'Replace it in an earlier step, or use a base image with an ordinary one.',
    });
  }
  const bytes = Buffer.concat([...readContent(root.content(place), entry.sizeBytes)]);
  return bytes
    .toString('utf8')
    .split('\n')
    .map((line) => line.trim().split(':'));
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && NUMBER.test(text);
}

function parseId(text: string): number {
  const id = Number(text);
  if (id <= MAX_ID) return id;
  throw new BuildError('DOCKERFILE_INVALID', `"${text}" is not a user or group number.`, {
    hint: `Numbers go from 0 to ${MAX_ID}.`,
  });
}

function unknownName(kind: 'user' | 'group', name: string): BuildError {
  const file = kind === 'user' ? '/etc/passwd' : '/etc/group';
  return new BuildError(
    'USER_NOT_FOUND',
    `The command cannot run as ${kind} "${name}": ${file} of the image has no such ${kind}.`,
    {
      hint: `Create the ${kind} in an earlier RUN, or give USER a number.`,
    },
  );
}
