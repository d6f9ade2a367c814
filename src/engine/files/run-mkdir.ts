import type { FileTree } from '../../archive/index.ts';
import { bytePathOf, isBuildError, type RunContext, throwIfCancelled } from '../../core/index.ts';
import type { MkdirOp } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { EngineEnv, OpResult } from '../types.ts';
import { createInputTrees } from './input-trees.ts';
import { createLayerDraft, type LayerDraft } from './layer-draft.ts';
import { makeDirectories } from './make-directories.ts';
import { type Owner, resolveOwner } from './ownership.ts';
import { storeLayer } from './store-layer.ts';

/**
 * Makes the layer of a WORKDIR: the directory and its missing parents, 0755, owned by the step's user. What exists keeps
 * owner and mode; then the layer is empty, but it is one. A user that the image does not know makes directories of root, with a
 * warning: an unknown `USER` is only an error for a command (BuildKit's behaviour).
 *
 * @throws BuildError `COPY_CONFLICT` when something on the way is no directory.
 */
export async function runMkdir(
  { env }: { readonly env: EngineEnv },
  { op, inputs }: { readonly op: MkdirOp; readonly inputs: readonly OpResult[] },
  context: RunContext,
): Promise<LayerRef> {
  throwIfCancelled(context.signal);
  const { tree } = await createInputTrees(env, inputs, context).open(op.base);
  const path = bytePathOf(op.path);
  const plan = (owner: Owner): LayerDraft => {
    const draft = createLayerDraft(tree);
    makeDirectories(draft, path, { mode: 0o755, owner, mtime: env.clockSeconds });
    return draft;
  };
  const draft = plan(ROOT);
  const isMade = draft.items().next().done !== true;
  const owner = op.user === undefined || !isMade ? ROOT : ownerOf({ user: op.user, tree }, context);
  return storeLayer(env, plan(owner).items(), context);
}

const ROOT: Owner = { uid: 0, gid: 0 };

function ownerOf({ user, tree }: { readonly user: string; readonly tree: FileTree }, context: RunContext): Owner {
  try {
    return resolveOwner(user, tree);
  } catch (error) {
    if (!isBuildError(error, 'USER_NOT_FOUND')) throw error;
    const message = `${error.message} The working directory belongs to root.`;
    context.emit({ kind: 'warning', time: Date.now(), code: 'WorkdirOfUnknownUser', message });
    return ROOT;
  }
}
