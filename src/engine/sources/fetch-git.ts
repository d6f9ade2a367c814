import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BuildError,
  bytePathOf,
  cleanPath,
  digestHex,
  digestOfFields,
  type RunContext,
  textOfPath,
} from '../../core/index.ts';
import type { GitOp } from '../../graph/index.ts';
import type { Store } from '../../store/index.ts';
import type { EngineEnv, SecretProvider, TreeResult } from '../types.ts';
import { checkOut, resolveShortCommit } from './git-checkout.ts';
import { createGit, type Git, splitCredentials } from './git-command.ts';
import { type RemoteRef, resolveRemoteRef } from './git-refs.ts';
import { openHostTree } from './host-tree.ts';
import { redactUrl } from './redact-url.ts';

/** What a repository may be fetched with. */
export interface GitCredentials {
  readonly secrets: SecretProvider;
  readonly sshAgents: ReadonlyMap<string, string>;
}

/** A commit checked out into the area `trees`. */
export interface GitCheckout {
  readonly commit: string;
  readonly key: string;
  /** Directory that was asked for. */
  readonly path: string;
}

type GitRequest = Omit<GitOp, 'kind'>;

/**
 * Fetches a tree from a git repository; its identity is the commit with the options. The program `git` does it, without the
 * user's configuration. Secrets: `GIT_AUTH_TOKEN` (a token) or `GIT_AUTH_HEADER` (a whole header value), each also with
 * `.<host>` behind it for one host only; for ssh the agent `default`.
 *
 * @throws BuildError `GIT_FAILED`, `HOST_LACKS` without git, `CHECKSUM_MISMATCH`, `SOURCE_NOT_FOUND` for a missing subdirectory.
 */
export async function fetchGit(
  { env }: { readonly env: Pick<EngineEnv, 'store' | 'lease' | 'secrets' | 'sshAgents'> },
  { op }: { readonly op: GitOp; readonly vertex: string },
  context: RunContext,
): Promise<TreeResult> {
  const checkout = await fetchCheckout({ store: env.store, credentials: env }, op, context);
  await env.lease.pinEntry('trees', checkout.key);
  return {
    kind: 'tree',
    identity: `git ${checkout.commit} ${op.subdir ?? ''} ${checkout.key}`,
    tree: openHostTree(checkout.path),
    ownerless: true,
  };
}

/** Checks a repository out into the store, unless that commit is there already. */
export async function fetchCheckout(
  { store, credentials }: { readonly store: Store; readonly credentials: GitCredentials },
  request: GitRequest,
  context: RunContext,
): Promise<GitCheckout> {
  const { url, authorization } = splitCredentials(request.url);
  const access = {
    url,
    authorization: authorization ?? (await findAuthorization(credentials.secrets, url)),
    sshAgent: credentials.sshAgents.get('default'),
  };
  const git = createGit(access, context);
  const plain = { ...request, url };
  const ref = (await resolveRemoteRef(git, url, request.ref)) ?? (await resolveShort(store, git, plain));
  if (request.checksum !== undefined && !ref.commit.startsWith(request.checksum)) throw mismatch(request, ref);
  const key = keyOf(plain, ref);
  const root = await store.area('trees').create(key, (path) => checkOut(git, { ...plain, ref }, path));
  return { commit: ref.commit, key, path: subdirectoryOf(root, request) };
}

async function resolveShort(store: Store, git: Git, request: GitRequest): Promise<RemoteRef> {
  const directory = await store.makeTempDir('git-');
  try {
    return await resolveShortCommit(git, { url: request.url, short: request.ref ?? '' }, directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A commit is the same from wherever it comes; but `.git`, and relative addresses of submodules, depend on the URL. */
function keyOf(request: GitRequest, ref: RemoteRef): string {
  const { keepGitDir, submodules, url } = request;
  return digestHex(
    digestOfFields([
      ['commit', ref.commit],
      ['git directory', String(keepGitDir)],
      ['submodules', String(submodules)],
      ['url', keepGitDir || submodules ? url : ''],
    ]),
  );
}

function subdirectoryOf(root: string, request: GitRequest): string {
  const subdir = cleanPath(bytePathOf(request.subdir ?? ''));
  if (subdir === '') return root;
  const tree = openHostTree(root);
  if (tree.stat(subdir)?.type !== 'directory') {
    const text = textOfPath(subdir);
    throw new BuildError('SOURCE_NOT_FOUND', `${redactUrl(request.url)} has no directory "${text}".`, {
      facts: { path: text },
    });
  }
  return join(root, textOfPath(subdir));
}

async function findAuthorization(secrets: SecretProvider, url: string): Promise<string | undefined> {
  if (!/^https?:/i.test(url)) return undefined;
  const { host } = new URL(url);
  for (const suffix of [`.${host}`, '']) {
    const header = await secrets(`GIT_AUTH_HEADER${suffix}`);
    if (header !== undefined) return Buffer.from(header).toString('utf8').trim();
    const token = await secrets(`GIT_AUTH_TOKEN${suffix}`);
    if (token !== undefined) return basicOf(Buffer.from(token).toString('utf8').trim());
  }
  return undefined;
}

/** The user name under which GitHub, GitLab and others take a token as password. */
function basicOf(token: string): string {
  return `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`;
}

function mismatch(request: GitRequest, ref: RemoteRef): BuildError {
  const name = request.ref ?? 'HEAD';
  return new BuildError(
    'CHECKSUM_MISMATCH',
    `${redactUrl(request.url)} has ${ref.commit} at ${name}, not ${request.checksum}.`,
    {
      hint: 'The branch or tag has moved, or the checksum is of another commit.',
    },
  );
}
