import { treeFromEntries } from '../../archive/index.ts';
import { type BytePath, parentOf } from '../../core/index.ts';
import type { EngineEnv, TreeResult } from '../types.ts';
import { hashContent } from './file-hasher.ts';
import { type HostTreeOptions, openHostTree } from './host-tree.ts';
import { ignoredBy } from './ignore-matcher.ts';
import { openStatCache } from './stat-cache.ts';

/** A directory given with a request. */
export interface LocalTreeInput extends HostTreeOptions {
  /** Path of the host; undefined stands for an empty context. */
  readonly directory: string | undefined;
}

/**
 * Opens a directory of the host as a source. Nothing is read before it is asked for; digests of unchanged files come from the
 * store's stat cache.
 *
 * @throws BuildError `CONTEXT_NOT_FOUND` when it is no directory.
 */
export async function openLocalTree(
  { env }: { readonly env: Pick<EngineEnv, 'store'> },
  input: LocalTreeInput,
): Promise<TreeResult> {
  if (input.directory === undefined) return { kind: 'tree', tree: treeFromEntries([]), ownerless: true };
  const tree = openHostTree(input.directory, input);
  const cache = await openStatCache(env.store, tree.root);
  const fileDigest = (path: BytePath): string => {
    const stamp = tree.stamp(path);
    const known = stamp === undefined ? undefined : cache.get(path, stamp);
    if (known !== undefined) return known;
    const digest = hashContent(tree.content(path), stamp?.table.sizeBytes(stamp.row) ?? 0);
    if (stamp !== undefined) cache.set(path, stamp, digest);
    return digest;
  };
  return {
    kind: 'tree',
    tree,
    ownerless: true,
    fileDigest,
    ignoredBy: ignoredBy(input.ignore),
    saveDigests: () => cache.save((path) => tree.isListed(parentOf(path)) && tree.stat(path) === undefined),
  };
}
