import type { RunContext } from '../core/index.ts';
import type { BackendDeps } from './backend-deps.ts';
import type { BackendReport } from './describe-backends.ts';
import type { Capabilities } from './needs/features.ts';
import type { BackendKind } from './selection/kinds.ts';
import type { MatrixRow } from './selection/selection-matrix.ts';

/**
 * All backends with what is in their way on this host, and which of them builds. Asks every backend that could work whether
 * it can, but starts no daemon.
 */
export async function describeBackends(deps: BackendDeps, context: RunContext): Promise<BackendReport> {
  return (await import('./describe-backends.ts')).describeBackends(deps, context);
}

/** What each backend with an engine can do before a host is asked: with the oldest buildah, and with a daemon like ours. */
export async function knownCapabilities(): Promise<Readonly<Partial<Record<BackendKind, Capabilities>>>> {
  return (await import('./known-capabilities.ts')).KNOWN_CAPABILITIES;
}

/** The order in which backends are tried, on every kind of host. */
export async function selectionMatrix(): Promise<readonly MatrixRow[]> {
  return (await import('./selection/selection-matrix.ts')).selectionMatrix();
}
