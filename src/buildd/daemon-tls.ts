import { join } from 'node:path';
import { BuildError } from '../core/index.ts';
import {
  createRevocationCheck,
  ensureTlsDirectory,
  loadServerTls,
  readTlsFiles,
  type ServedCall,
  type TlsMaterial,
} from '../rpc/index.ts';
import { resolveDataDir } from '../store/index.ts';

/** Where a daemon's certificates are: three files, or a directory where they are made when missing. */
export interface DaemonTlsInput {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly directory: string;
  /** Names and addresses by which clients reach the daemon. */
  readonly serverNames: readonly string[];
}

/** What a daemon proves itself with, now and later. */
export interface DaemonTls {
  readonly material: TlsMaterial;
  /** Refuses clients whose certificate was revoked. */
  readonly authorize: ((call: ServedCall) => void) | undefined;
  /** Renews what is about to expire. @throws BuildError `BACKEND_UNAVAILABLE` */
  readonly renew: () => Promise<TlsMaterial>;
}

/** @throws BuildError `USAGE` when only some of the three files are named, `BACKEND_UNAVAILABLE` for files that cannot be used. */
export async function openDaemonTls(input: DaemonTlsInput): Promise<DaemonTls> {
  const { ca, cert, key, directory, serverNames } = input;
  if (ca !== undefined && cert !== undefined && key !== undefined) {
    const read = (): TlsMaterial => readTlsFiles({ ca, cert, key }, 'forServer');
    return { material: read(), authorize: undefined, renew: async () => read() };
  }
  if (ca !== undefined || cert !== undefined || key !== undefined) {
    throw new BuildError('USAGE', '--tls-ca, --tls-cert and --tls-key go together.', {
      hint: 'Give all three, or --tls-dir alone.',
    });
  }
  const renew = async (): Promise<TlsMaterial> => {
    await ensureTlsDirectory(directory, { serverNames });
    return loadServerTls(directory);
  };
  return { material: await renew(), authorize: createRevocationCheck(directory), renew };
}

/** Where the TLS files of this user's daemon are when nobody says. */
export function defaultTlsDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return join(resolveDataDir(env, process.getuid?.() ?? 0), 'buildd');
}
