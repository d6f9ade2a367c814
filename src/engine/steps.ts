/** The engine's second door: what only RUN needs. It is loaded when the first RUN has to run. */

export { createExecutor } from './exec/create-executor.ts';
export { type EmulationFailure, findEmulation } from './exec/emulation.ts';
export { runExec } from './exec/run-exec.ts';
export type { Executor, HostProbe, IsolationKind } from './exec/types.ts';
export { createSnapshots, type Snapshots } from './snapshots/create-snapshots.ts';
export { removeSnapshotTree } from './snapshots/remove-snapshot-tree.ts';
