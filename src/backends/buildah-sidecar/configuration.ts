import { isAbsolute, join, resolve, sep } from 'node:path';
import { BuildError } from '../../core/index.ts';
import { parseAddress } from '../../rpc/index.ts';
import { type Env, variableOf } from '../selection/host-facts.ts';

/** Where this host's directories lie on the daemon's host. */
export interface ContextMount {
  readonly host: string;
  readonly guest: string;
}

/** How a daemon is found. */
export interface SidecarConfiguration {
  /** `host:port` of a daemon that somebody else started; undefined: one of this user is found or started. */
  readonly address: string | undefined;
  readonly tlsDirectory: string;
  readonly contextMount: ContextMount | undefined;
  /** The daemon's program, before all other places. */
  readonly program: string | undefined;
  /** Holds the daemon's files in `buildd/`, and is where it keeps its images. */
  readonly dataDir: string;
}

/**
 * Reads the variables: `ZLAYER_BUILDD_ADDR`, `_TLS_DIR` (default `buildd/` of the data directory), `_CONTEXT_MOUNT` and
 * `_BIN`.
 *
 * @throws BuildError `USAGE` for an address or a mount that is none.
 */
export function readConfiguration(env: Env, dataDir: string): SidecarConfiguration {
  const address = variableOf(env, 'ZLAYER_BUILDD_ADDR')?.trim();
  if (address !== undefined && parseAddress(address) === undefined) {
    throw new BuildError('USAGE', `ZLAYER_BUILDD_ADDR has "${address}", which is no address of a daemon.`, {
      hint: 'Write it as host:port, such as builder.example:7443 or [fd00::7]:7443.',
    });
  }
  const mount = variableOf(env, 'ZLAYER_BUILDD_CONTEXT_MOUNT');
  return {
    address,
    tlsDirectory: resolve(variableOf(env, 'ZLAYER_BUILDD_TLS_DIR') ?? join(dataDir, 'buildd')),
    contextMount: mount === undefined ? undefined : parseMount(mount),
    program: variableOf(env, 'ZLAYER_BUILDD_BIN'),
    dataDir,
  };
}

/** `HOST:GUEST`, both absolute. A drive letter's colon does not count. */
function parseMount(text: string): ContextMount {
  const at = text.indexOf(':', /^[A-Za-z]:[\\/]/.test(text) ? 2 : 0);
  const host = text.slice(0, Math.max(0, at));
  const guest = text.slice(at + 1);
  if (at > 0 && isAbsolute(host) && guest.startsWith('/')) return { host: resolve(host), guest };
  throw new BuildError('USAGE', `ZLAYER_BUILDD_CONTEXT_MOUNT has "${text}".`, {
    hint: 'Write it as HOST:GUEST: a directory of this host, and where the daemon sees it, both absolute.',
  });
}

/** Where the daemon sees a path of this host; undefined outside of the mount. */
export function toGuestPath(mount: ContextMount, path: string): string | undefined {
  const absolute = resolve(path);
  if (absolute === mount.host) return mount.guest;
  const prefix = mount.host.endsWith(sep) ? mount.host : `${mount.host}${sep}`;
  if (!absolute.startsWith(prefix)) return undefined;
  return `${mount.guest.replace(/\/$/, '')}/${absolute.slice(prefix.length).split(sep).join('/')}`;
}
