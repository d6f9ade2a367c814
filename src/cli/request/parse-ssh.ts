import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BuildError } from '../../core/index.ts';
import { splitPair, usage } from '../options/values.ts';

/** Where `--ssh` looks for agents. */
export interface SshHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/**
 * Reads `--ssh`: `default`, `ID`, `ID=SOCKET`; without a socket it is `$SSH_AUTH_SOCK`.
 *
 * @throws BuildError `SSH_MISSING` where there is no agent; `UNSUPPORTED` for private key files.
 */
export function parseSsh(texts: readonly string[], host: SshHost): Readonly<Record<string, string>> {
  const sockets = new Map<string, string>();
  for (const text of texts) {
    const { name, value } = splitPair(text);
    if (name === '') throw usage(`--ssh takes ID or ID=SOCKET, not "${text}".`);
    if (sockets.has(name)) throw usage(`--ssh gives the id "${name}" twice.`);
    sockets.set(name, resolve(host.cwd, requireSocket(name, value || host.env.SSH_AUTH_SOCK, host.cwd)));
  }
  return Object.fromEntries(sockets);
}

function requireSocket(id: string, path: string | undefined, cwd: string): string {
  if (path === undefined || path === '') {
    throw new BuildError('SSH_MISSING', `--ssh ${id} has no agent: SSH_AUTH_SOCK is not set.`, {
      hint: 'Start one with `eval $(ssh-agent)` and `ssh-add`, or name its socket: --ssh default=SOCKET.',
    });
  }
  const stat = statSync(resolve(cwd, path), { throwIfNoEntry: false });
  if (stat?.isSocket() === true) return path;
  if (stat === undefined) {
    throw new BuildError('SSH_MISSING', `--ssh ${id} has no agent: there is no ${path}.`, {
      hint: 'Start one with `eval $(ssh-agent)` and `ssh-add`, or name its socket: --ssh default=SOCKET.',
    });
  }
  throw new BuildError('UNSUPPORTED', `--ssh ${id} cannot use ${path}: it is not the socket of an agent.`, {
    hint: 'Private keys are not read. Add the key to an agent (`ssh-add KEY`) and write --ssh default.',
  });
}
