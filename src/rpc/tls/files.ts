import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BuildError } from '../../core/index.ts';
import type { TlsMaterial } from './material.ts';

/** Where everything lies in a TLS directory. */
export interface TlsPaths {
  readonly directory: string;
  /** Certificates of the CA, the current one first: what both ends verify each other by. */
  readonly ca: string;
  /** Only where the CA is: makes and rotates certificates. */
  readonly caKey: string;
  /** The client's own. */
  readonly cert: string;
  readonly key: string;
  readonly serverCert: string;
  readonly serverKey: string;
  /** A directory for each client of another machine, to be copied there as its TLS directory. */
  readonly clients: string;
  /** Serial numbers that are refused, one a line. */
  readonly revoked: string;
  readonly lock: string;
}

/** `ca.pem`, `cert.pem` and `key.pem` are what other clients of the protocol look for. */
export function tlsPaths(directory: string): TlsPaths {
  const at = (...names: readonly string[]): string => join(directory, ...names);
  return {
    directory,
    ca: at('ca.pem'),
    caKey: at('ca-key.pem'),
    cert: at('cert.pem'),
    key: at('key.pem'),
    serverCert: at('server', 'cert.pem'),
    serverKey: at('server', 'key.pem'),
    clients: at('clients'),
    revoked: at('revoked'),
    lock: at('.tls-lock'),
  };
}

/** The text of a file; undefined when it is not there. @throws BuildError `BACKEND_UNAVAILABLE` when it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new BuildError('BACKEND_UNAVAILABLE', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Writes a file whole, for its owner alone. */
export function writePrivate(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Makes a directory that nobody else may look into. */
export function makePrivateDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (process.platform !== 'win32' && (modeOf(path) ?? 0) & 0o077) chmodSync(path, 0o700);
  } catch (error) {
    throw new BuildError(
      'BACKEND_UNAVAILABLE',
      `${path} cannot be made a private directory: ${(error as Error).message}`,
      {
        cause: error,
        hint: 'Choose a directory of your own with ZLAYER_BUILDD_TLS_DIR.',
      },
    );
  }
}

/**
 * @throws BuildError `BACKEND_UNAVAILABLE` for a key that others may read, and for a directory whose files others may
 * replace.
 */
export function checkModes(keyPath: string): void {
  if (process.platform === 'win32') return;
  const keyMode = modeOf(keyPath) ?? 0;
  if (keyMode & 0o077) throw tooOpen(keyPath, keyMode, 'others may read it', `chmod 600 ${keyPath}`);
  const directory = dirname(keyPath);
  const mode = modeOf(directory) ?? 0;
  if (mode & 0o022) throw tooOpen(directory, mode, 'others may replace its files', `chmod 700 ${directory}`);
}

function modeOf(path: string): number | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? undefined : found.mode & 0o7777;
}

function tooOpen(path: string, mode: number, why: string, command: string): BuildError {
  return new BuildError(
    'BACKEND_UNAVAILABLE',
    `${path} is not safe to use: its mode is ${mode.toString(8)}, so ${why}.`,
    {
      hint: `Run \`${command}\`; if somebody else may have read or changed it, make new certificates.`,
    },
  );
}

/** Reads one end's material. @throws BuildError `BACKEND_UNAVAILABLE` naming the file that is not there. */
export function readMaterial(paths: { readonly ca: string; readonly cert: string; readonly key: string }): TlsMaterial {
  return { ca: require(paths.ca), cert: require(paths.cert), key: require(paths.key) };
}

function require(path: string): string {
  const text = readText(path);
  if (text !== undefined) return text;
  throw new BuildError('BACKEND_UNAVAILABLE', `The TLS file ${path} is not there.`, {
    hint: 'Copy ca.pem, cert.pem and key.pem of a client made by `zlayer buildd tls create NAME` on the host of the daemon.',
  });
}
