import { chmodSync, lstatSync, lutimesSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { isBuildError } from '../../core/index.ts';
import type { Git } from './git-command.ts';
import type { RemoteRef } from './git-refs.ts';

/** What is checked out, and how. */
export interface CheckoutRequest {
  readonly url: string;
  readonly ref: RemoteRef;
  readonly submodules: boolean;
  readonly keepGitDir: boolean;
}

const SLASH = Buffer.from('/');
const GIT_NAME = Buffer.from('.git');
/** All branches and tags, for servers that give out nothing else. */
const EVERYTHING = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];

/**
 * Checks a commit out into a new directory. Files get 0644 or 0755 and directories 0755, as git knows no other modes; all
 * get the commit's time, so that two checkouts are alike.
 */
export async function checkOut(git: Git, request: CheckoutRequest, directory: string): Promise<void> {
  await initRepository(git, request.url, directory);
  const run = (args: readonly string[]): Promise<string> => git.run(args, { cwd: directory });
  await fetchCommit(run, request.ref);
  await run(['checkout', '--quiet', '--force', '--detach', request.ref.commit, '--']);
  if (request.submodules) await run(['submodule', '--quiet', 'update', '--init', '--recursive', '--depth', '1']);
  const commitTime = Number(await run(['show', '--no-patch', '--format=%ct', request.ref.commit, '--']));
  if (!request.keepGitDir) removeGitFiles(Buffer.from(directory));
  normalize(Buffer.from(directory), commitTime);
}

/** The commit that the beginning of an id names, found by fetching every branch and tag. */
export async function resolveShortCommit(
  git: Git,
  input: { readonly url: string; readonly short: string },
  directory: string,
): Promise<RemoteRef> {
  await initRepository(git, input.url, directory);
  await git.run(['fetch', '--quiet', '--force', 'origin', ...EVERYTHING], { cwd: directory });
  return {
    commit: await git.run(['rev-parse', '--verify', '--end-of-options', `${input.short}^{commit}`], { cwd: directory }),
  };
}

async function initRepository(git: Git, url: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await git.run(['init', '--quiet', '--template='], { cwd: directory });
  await git.run(['remote', 'add', '--', 'origin', url], { cwd: directory });
}

/** One commit if the server gives it alone, else everything: not every server takes ids, or knows shallow clones. */
async function fetchCommit(run: (args: readonly string[]) => Promise<string>, ref: RemoteRef): Promise<void> {
  const shallow = ['fetch', '--quiet', '--force', '--no-tags', '--depth', '1', 'origin'];
  for (const wanted of ref.name === undefined ? [ref.commit] : [ref.commit, `+${ref.name}:refs/zlayer/fetched`]) {
    try {
      await run([...shallow, wanted]);
      await run(['cat-file', '-e', `${ref.commit}^{commit}`]);
      return;
    } catch (error) {
      if (!isBuildError(error, 'GIT_FAILED')) throw error;
    }
  }
  const named = ref.name === undefined || ref.name === 'HEAD' ? [] : [`+${ref.name}:refs/zlayer/fetched`];
  await run(['fetch', '--quiet', '--force', 'origin', ...EVERYTHING, ...named]);
}

/** `.git` at the root, and the files of that name which submodules have. */
function removeGitFiles(directory: Buffer): void {
  for (const name of readdirSync(directory, 'buffer')) {
    const path = Buffer.concat([directory, SLASH, name]);
    if (name.equals(GIT_NAME)) rmSync(path.toString(), { recursive: true, force: true });
    else if (lstatSync(path).isDirectory()) removeGitFiles(path);
  }
}

/** Synchronous, and by bytes: names need not be UTF-8. */
function normalize(directory: Buffer, time: number): void {
  for (const name of readdirSync(directory, 'buffer')) {
    const path = Buffer.concat([directory, SLASH, name]);
    const stats = lstatSync(path);
    if (stats.isDirectory()) normalize(path, time);
    else if (stats.isSymbolicLink()) lutimesSync(path, time, time);
    else setMetadata(path, { mode: (stats.mode & 0o100) === 0 ? 0o644 : 0o755, time });
  }
  setMetadata(directory, { mode: 0o755, time });
}

function setMetadata(path: Buffer, { mode, time }: { readonly mode: number; readonly time: number }): void {
  chmodSync(path, mode);
  utimesSync(path, time, time);
}
