import type { BackendKind } from '../../backends/index.ts';
import { BuildError } from '../../core/index.ts';
import type { PathPolicy } from './path-policy.ts';

/** What the operator of a daemon lets its clients use of the daemon's host. */
export interface DaemonPolicy {
  readonly paths: PathPolicy;
  /** Entitlements: `network.host`, `security.insecure`, `device`, `device=NAME`. */
  readonly entitlements: readonly string[];
  /** Variables of the daemon that secrets may come from. */
  readonly secretEnvs: readonly string[];
  /** The agent of the daemon's own `SSH_AUTH_SOCK`, where clients may use it. */
  readonly sshAgent: string | undefined;
  /** Who builds here. */
  readonly backend: BackendKind;
}

/** @throws BuildError `NOT_ALLOWED` for an entitlement that the operator has not granted. */
export function requireEntitlement({ entitlements }: DaemonPolicy, name: string, field: string): void {
  const wider = name.split('=', 1)[0]!;
  if (entitlements.includes(name) || entitlements.includes(wider)) return;
  throw new BuildError('NOT_ALLOWED', `${field}: the daemon's operator has not granted ${name}.`, {
    hint: `The daemon grants it when it is started with --allow ${name}.`,
  });
}
