import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { COMPRESSION_MAGIC_BYTES, decompress, detectCompression } from '../../archive/index.ts';
import {
  BuildError,
  createDigester,
  digestHex,
  isBuildError,
  parseGitUrl,
  type RunContext,
  throwIfCancelled,
} from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import { isTar } from '../files/archive-file.ts';
import { fetchCheckout, type GitCredentials } from './fetch-git.ts';
import { fetchDownload } from './fetch-http.ts';
import { redactUrl } from './redact-url.ts';
import { unpackTree } from './unpack-tree.ts';

/** A build context that is no directory of this host. */
export type RemoteContext =
  | { readonly kind: 'tar'; readonly stream: AsyncIterable<Uint8Array> }
  | { readonly kind: 'url'; readonly url: string };

export interface FetchContextDeps {
  readonly store: Store;
  /** For private repositories; default: none. */
  readonly credentials?: GitCredentials;
}

const NO_CREDENTIALS: GitCredentials = { secrets: () => Promise.resolve(undefined), sshAgents: new Map() };

/**
 * Brings a build context into the store's area `trees` and returns its directory: a tar (plain or compressed) as docker takes
 * it on stdin, a git repository, or an http(s) URL of a tar or of a lone Dockerfile. What is there already is not unpacked again.
 *
 * @throws BuildError `CONTEXT_INVALID` for a stream that is no tar, `ARCHIVE_*`, and as `fetchGit` and `fetchHttp` do.
 */
export async function fetchContext(deps: FetchContextDeps, input: RemoteContext, context: RunContext): Promise<string> {
  if (input.kind === 'tar')
    return withSpooled(deps.store, input.stream, (file) => unpackContext(deps.store, file), context);
  const git = parseAddress(input.url);
  if (git !== undefined) {
    const request = { ...git, keepGitDir: git.keepGitDir ?? false, submodules: git.submodules ?? true };
    const credentials = deps.credentials ?? NO_CREDENTIALS;
    return (await fetchCheckout({ store: deps.store, credentials }, request, context)).path;
  }
  if (!/^https?:\/\//i.test(input.url)) {
    throw new BuildError('CONTEXT_INVALID', `"${redactUrl(input.url)}" is not a build context.`, {
      hint: 'Give a directory, an http(s) URL of a tar, or a git URL such as https://host/repository.git#branch:directory.',
    });
  }
  const { path, digest } = await fetchDownload(deps.store, { url: input.url, vertex: 'context' }, context);
  const file = { path, key: digestHex(digest), name: redactUrl(input.url) };
  return (await isTarFile(path)) ? unpackContext(deps.store, file) : wrapDockerfile(deps.store, file);
}

function parseAddress(url: string): ReturnType<typeof parseGitUrl> {
  try {
    return parseGitUrl(url);
  } catch (error) {
    if (!isBuildError(error)) throw error;
    throw new BuildError('CONTEXT_INVALID', error.message, { hint: error.hint, cause: error });
  }
}

interface ContextFile {
  readonly path: string;
  /** Hex digest of the bytes. */
  readonly key: string;
  /** For messages. */
  readonly name: string;
}

async function withSpooled(
  store: Store,
  stream: AsyncIterable<Uint8Array>,
  use: (file: ContextFile) => Promise<string>,
  context: RunContext,
): Promise<string> {
  const directory = await store.makeTempDir('context-');
  try {
    const path = join(directory, 'context.tar');
    const digester = createDigester();
    const handle = await open(path, 'wx', 0o600);
    try {
      for await (const chunk of stream) {
        throwIfCancelled(context.signal);
        digester.update(chunk);
        await handle.writeFile(chunk);
      }
    } finally {
      await handle.close();
    }
    return await use({ path, key: digestHex(digester.digest()), name: 'The context on standard input' });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function unpackContext(store: Store, file: ContextFile): Promise<string> {
  if (!(await isTarFile(file.path))) {
    throw new BuildError('CONTEXT_INVALID', `${file.name} is not a tar archive.`, {
      hint: 'A context is a tar, plain or compressed by gzip, bzip2, xz or zstd.',
    });
  }
  return store.area('trees').create(file.key, async (to) => unpackTree(await openUncompressed(file.path), to));
}

/** A URL may name a Dockerfile alone: the context is empty but for it. */
function wrapDockerfile(store: Store, file: ContextFile): Promise<string> {
  return store.area('trees').create(file.key, async (to) => {
    await mkdir(to);
    await copyFile(file.path, join(to, 'Dockerfile'));
  });
}

async function isTarFile(path: string): Promise<boolean> {
  const { size } = await stat(path);
  return size > 0 && isTar({ content: { kind: 'host-file', path }, sizeBytes: size });
}

async function openUncompressed(path: string): Promise<AsyncIterable<Uint8Array>> {
  const handle = await open(path);
  const start = Buffer.alloc(COMPRESSION_MAGIC_BYTES);
  const { bytesRead } = await handle.read(start, 0, start.length, 0);
  await handle.close();
  return decompress(
    createReadStream(path, { highWaterMark: 1 << 20 }),
    detectCompression(start.subarray(0, bytesRead)),
  );
}
