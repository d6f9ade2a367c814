import { BuildError } from '../../core/index.ts';
import type { Git } from './git-command.ts';
import { redactUrl } from './redact-url.ts';

/** A commit, and the name under which the server offers it. */
export interface RemoteRef {
  readonly commit: string;
  /** Full name, such as `refs/heads/main`; absent for a commit that was named by its id. */
  readonly name?: string;
}

const COMMIT = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
const SHORT_COMMIT = /^[0-9a-f]{4,64}$/;

/** Whether a ref names a commit by its whole id: then it cannot move. */
export function isCommit(ref: string): boolean {
  return COMMIT.test(ref);
}

/**
 * Finds the commit of a branch, a tag or a full ref on the server; without `ref`, of its HEAD. A branch goes before a tag of
 * the same name. Undefined when the server names none, but `ref` may be the beginning of a commit's id.
 *
 * @throws BuildError `GIT_FAILED` for a ref that does not exist.
 */
export async function resolveRemoteRef(git: Git, url: string, ref: string | undefined): Promise<RemoteRef | undefined> {
  if (ref !== undefined && isCommit(ref)) return { commit: ref };
  const patterns = ref === undefined ? ['HEAD'] : [ref, `${ref}^{}`];
  const output = await git.run(['ls-remote', '--', url, ...patterns]);
  const refs = new Map(
    output
      .split('\n')
      .map((line) => line.split('\t'))
      .flatMap(([commit, name]) => (commit === undefined || name === undefined ? [] : [[name, commit] as const])),
  );
  const names = ref === undefined ? ['HEAD'] : [`refs/heads/${ref}`, `refs/tags/${ref}`, ref];
  for (const name of names) {
    // The line with ^{} is the commit that an annotated tag names.
    const commit = refs.get(`${name}^{}`) ?? refs.get(name);
    if (commit !== undefined) return { commit, name };
  }
  if (ref !== undefined && SHORT_COMMIT.test(ref)) return undefined;
  throw new BuildError(
    'GIT_FAILED',
    `${redactUrl(url)} has no ${ref === undefined ? 'HEAD' : `branch or tag "${ref}"`}.`,
    {
      hint: 'A ref is written behind #, such as #main, #v1.2 or #refs/pull/7/head; a subdirectory follows a colon, such as #main:src.',
    },
  );
}
