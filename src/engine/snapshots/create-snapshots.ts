import { isWorkingKind } from '../exec/namespace.ts';
import { isolationMissing } from '../exec/probe.ts';
import type { Executor } from '../exec/types.ts';
import { createCopiedSnapshots } from './copied-snapshots.ts';
import { createOverlaySnapshots } from './overlay-snapshots.ts';
import type { SnapshotContext } from './snapshot-context.ts';
import type { Snapshots } from './types.ts';

export type { ActiveSnapshot, LayerStack, Snapshots } from './types.ts';

/** What snapshots are made from. */
export interface SnapshotDeps extends Pick<SnapshotContext, 'store' | 'layers'> {
  /** Says in which way files are owned here, and what roots are made of. */
  readonly executor: Pick<Executor, 'probe'>;
}

/** The snapshots that suit this host. Without isolation every method that makes files fails with `HOST_LACKS`. */
export function createSnapshots({ store, layers, executor: { probe } }: SnapshotDeps): Snapshots {
  if (!isWorkingKind(probe.kind)) return withoutIsolation(() => Promise.reject(isolationMissing(probe)));
  const deps = { store, layers, kind: probe.kind };
  return probe.roots === 'overlay' ? createOverlaySnapshots(deps) : createCopiedSnapshots(deps);
}

function withoutIsolation(refuse: () => Promise<never>): Snapshots {
  const nothing = (): Promise<void> => Promise.resolve();
  return { mountable: refuse, prepare: refuse, commit: refuse, unpack: refuse, discard: nothing, close: nothing };
}
