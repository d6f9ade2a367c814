import type { FileTree } from '../../archive/index.ts';
import { BuildError, type BytePath, type RunContext, textOfPath, throwIfCancelled } from '../../core/index.ts';
import type { CopyOp, CopySource } from '../../graph/index.ts';
import type { LayerRef } from '../../oci/index.ts';
import type { EngineEnv, OpResult } from '../types.ts';
import { createInputTrees, type InputTrees } from './input-trees.ts';
import { openArchive } from './open-archive.ts';
import { resolveOwner } from './ownership.ts';
import { type CopyItem, planCopy } from './plan-copy.ts';
import { type Selection, selectSources, takesNothing } from './selection.ts';
import { storeLayer } from './store-layer.ts';

/**
 * Makes the layer of a COPY or ADD. No process is started and nothing is unpacked: the layer is written straight from its
 * sources. The blob is uncompressed, so that its digest is the diffId; its table of contents lies in the area `tocs`.
 *
 * @throws BuildError `SOURCE_NOT_FOUND`, `COPY_CONFLICT`, `USER_NOT_FOUND`, `DOCKERFILE_INVALID` (mode or pattern),
 *   `ARCHIVE_INVALID`, `ARCHIVE_UNSAFE`, `CONTEXT_INVALID`, `CANCELLED`.
 */
export async function runCopy(
  { env }: { readonly env: EngineEnv },
  { op, inputs }: { readonly op: CopyOp; readonly inputs: readonly OpResult[] },
  context: RunContext,
): Promise<LayerRef> {
  throwIfCancelled(context.signal);
  const trees = createInputTrees(env, inputs, context);
  const base: FileTree | undefined = op.base === undefined ? undefined : (await trees.open(op.base)).tree;
  const closers: (() => Promise<void>)[] = [];
  try {
    const draft = planCopy({
      base,
      items: await collectItems({ env, trees, context, closers }, op),
      destination: op.destination,
      owner: op.chown === undefined ? undefined : resolveOwner(op.chown, base),
      chmod: op.chmod,
      clockSeconds: env.clockSeconds,
      onLockedDirectory: (path) => reportLocked(op, path, context),
    });
    return await storeLayer(env, draft.items(), context);
  } finally {
    await Promise.all(closers.map((close) => close()));
  }
}

interface CopyWork {
  readonly env: EngineEnv;
  readonly trees: InputTrees;
  readonly context: RunContext;
  /** Called when the layer is written. */
  readonly closers: (() => Promise<void>)[];
}

async function collectItems(work: CopyWork, op: CopyOp): Promise<readonly CopyItem[]> {
  const items: CopyItem[] = [];
  for (const source of op.sources) {
    if (source.kind === 'inline') {
      items.push(source);
      continue;
    }
    const selections = selectSources(await work.trees.open(source.input), source, op);
    if (takesNothing(selections)) warnNoMatch(work.context, source.path);
    for (const selection of selections) items.push(await toItem(work, { source, selection }, op));
  }
  return items;
}

interface Selected {
  readonly source: Extract<CopySource, { kind: 'input' }>;
  readonly selection: Selection;
}

async function toItem(work: CopyWork, { source, selection }: Selected, op: CopyOp): Promise<CopyItem> {
  const result = work.trees.result(source.input);
  const ownerless = source.ownerless || (result.kind === 'tree' && result.ownerless);
  const plain: CopyItem = { kind: 'selection', selection, ownerless };
  if (source.unpack === 'never' || selection.entry.type !== 'file') return plain;
  const opened = await openArchive(work.env, { selection, required: source.unpack === 'always' }, work.context);
  if (opened === undefined) return plain;
  work.closers.push(opened.close);
  if (op.chmod !== undefined) warnUnusedMode(work.context, selection);
  return { kind: 'archive', archive: opened.archive };
}

function warnNoMatch(context: RunContext, path: string): void {
  const message = `Nothing matches "${path}": nothing is copied for it.`;
  context.emit({ kind: 'warning', time: Date.now(), code: 'CopyMatchesNothing', message });
}

/** An octal mode is for directories as well, those that are made on the way included (BuildKit's behaviour). */
function reportLocked({ chmod, mustBeEnterable }: CopyOp, path: BytePath, context: RunContext): void {
  const message = `--chmod=${chmod} also makes the directory "/${textOfPath(path)}", which nobody but root can enter then.`;
  const hint =
    'Give --chmod=u=rw,go=r, which leaves new directories alone, or =rX; or make the directory in an earlier step.';
  if (mustBeEnterable === true) throw new BuildError('COPY_CONFLICT', message, { hint });
  context.emit({ kind: 'warning', time: Date.now(), code: 'ChmodLocksDirectory', message, hint });
}

/** As BuildKit does it; but there it is silent. */
function warnUnusedMode(context: RunContext, selection: Selection): void {
  context.emit({
    kind: 'warning',
    time: Date.now(),
    code: 'ChmodOfArchive',
    message: `--chmod does not change what is unpacked from "${textOfPath(selection.name)}".`,
    hint: 'Files keep the modes that the archive gives them.',
  });
}
