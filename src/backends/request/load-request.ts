import { type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError, type RunContext } from '../../core/index.ts';
import type { fetchContext } from '../../engine/remote.ts';
import type { Store } from '../../store/index.ts';
import type { BuildRequest, ContextDirectory, ContextInput, LoadedRequest } from '../types.ts';
import { loadDockerfile, loadIgnoreFile } from './load-dockerfile.ts';
import { createSecretProvider } from './secrets.ts';

/**
 * Reads everything that a request names on this host: the context's directory (a tar or a repository is unpacked into the
 * store first), the Dockerfile, its ignore file, and named contexts that are directories. A preset becomes what it means.
 *
 * @throws BuildError `USAGE` for a preset, `CONTEXT_NOT_FOUND`, `CONTEXT_INVALID`, `DOCKERFILE_*`, `IGNORE_FILE_SYNTAX`, `GIT_FAILED`, `DOWNLOAD_FAILED`.
 */
export async function loadRequest(store: Store, given: BuildRequest, context: RunContext): Promise<LoadedRequest> {
  const request = given.preset === undefined ? given : (await import('./presets.ts')).applyPreset(given);
  const credentials = {
    secrets: createSecretProvider(request.secrets ?? {}),
    sshAgents: new Map(Object.entries(request.ssh ?? {})),
  };
  const deps: ContextDeps = { store, credentials };
  const contextDir = await contextDirectory(deps, request.context, context);
  const { dockerfile, ignore } = loadDockerfile({
    contextDir,
    input: request.dockerfile,
    isLocal: request.context.kind === 'directory' || request.context.kind === 'empty',
    syntax: request.buildArgs?.['BUILDKIT_SYNTAX'],
  });
  // The reference applies ignore files to directories of the host only.
  const applies = request.context.kind === 'directory';
  return {
    request,
    dockerfile,
    context: { directory: contextDir, ignore: applies ? ignore : undefined },
    directories: await namedDirectories(deps, request.buildContexts ?? {}, context),
    project: request.context.kind === 'url' ? request.context.url : (contextDir ?? ''),
  };
}

/** Where a context that must be fetched goes, and what it may be fetched with. */
type ContextDeps = Parameters<typeof fetchContext>[0];

async function contextDirectory(
  deps: ContextDeps,
  input: ContextInput,
  context: RunContext,
): Promise<string | undefined> {
  if (input.kind === 'empty') return undefined;
  if (input.kind === 'directory')
    return checkDirectory(
      input.path,
      'The last argument is the directory whose files COPY and ADD may use, often `.`.',
    );
  const { fetchContext } = await import('../../engine/remote.ts');
  return fetchContext(deps, input, context);
}

function checkDirectory(path: string, hint: string): string {
  const absolute = resolve(path);
  const found = quietStat(absolute);
  if (found?.isDirectory() === true) return absolute;
  throw new BuildError(
    'CONTEXT_NOT_FOUND',
    `The build context ${path} is ${found === undefined ? 'not there' : 'not a directory'}.`,
    { hint },
  );
}

function quietStat(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

async function namedDirectories(
  deps: ContextDeps,
  contexts: Readonly<Record<string, string>>,
  context: RunContext,
): Promise<ReadonlyMap<string, ContextDirectory>> {
  const directories = new Map<string, ContextDirectory>();
  for (const [name, value] of Object.entries(contexts)) {
    if (/^(docker-image|oci-layout):\/\/|^(target|input):/.test(value)) continue;
    const isUrl = /^(https?|git|ssh):\/\/|^[\w.-]+@[\w.-]+:/.test(value);
    const input: ContextInput = isUrl ? { kind: 'url', url: value } : { kind: 'directory', path: value };
    const hint = `It is named by --build-context ${name}=…: give a directory, a URL, docker-image://REFERENCE, oci-layout://PATH or target:STAGE.`;
    const directory = isUrl ? await contextDirectory(deps, input, context) : checkDirectory(value, hint);
    directories.set(name, { directory, ignore: isUrl ? undefined : loadIgnoreFile(directory, undefined) });
  }
  return directories;
}
