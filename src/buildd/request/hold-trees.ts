import { isBuildError } from '../../core/index.ts';
import type { BuildRequest as WireRequest } from '../../rpc/index.ts';
import type { ClientContexts } from '../contexts/client-contexts.ts';

/**
 * Opens all uploaded trees that a request names, so that nothing of them is collected while the build waits for its turn.
 *
 * @returns gives them back.
 * @throws BuildError `STORE_FULL`, `CANCELLED`. One that is not here, or not whole, is told of when the request is read.
 */
export async function holdTrees(
  contexts: ClientContexts,
  message: WireRequest,
  signal: AbortSignal,
): Promise<() => void> {
  const releases: Array<() => void> = [];
  const release = (): void => {
    for (const call of releases.splice(0)) call();
  };
  try {
    for (const tree of treesOf(message)) {
      const opened = await contexts.openTree(tree, signal).catch(ifNotHere);
      if (opened !== undefined) releases.push(opened.release);
    }
    return release;
  } catch (error) {
    release();
    throw error;
  }
}

function ifNotHere(error: unknown): undefined {
  if (!isBuildError(error, 'CONTEXT_INVALID')) throw error;
}

/** What is no tree's name is told of when the request is read. */
function treesOf({ extension }: WireRequest): ReadonlySet<string> {
  if (extension === undefined) return new Set();
  const { contextTree, buildContexts, cachesFrom, mountsFrom } = extension;
  const named = Object.values(buildContexts).map((value) => /^(?:tree|layout):(sha256:[0-9a-f]{64})/.exec(value)?.[1]);
  const caches = [...cachesFrom, ...mountsFrom].map(({ place }) => (place.case === 'local' ? place.value.tree : ''));
  return new Set([contextTree, ...named, ...caches].filter((tree): tree is string => Boolean(tree)));
}
