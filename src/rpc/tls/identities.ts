import { readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError } from '../../core/index.ts';
import { withFileLock } from '../file-lock.ts';
import type { Peer } from '../serve.ts';
import { createLeaf } from './certificates.ts';
import { ensureTlsDirectory, leafValidity, readCa, type TlsOptions } from './directory.ts';
import { makePrivateDirectory, readText, type TlsPaths, tlsPaths, writePrivate } from './files.ts';
import { readCertificate } from './inspect-certificate.ts';

/** A client of another machine. */
export interface ClientIdentity {
  readonly name: string;
  /** Holds `ca.pem`, `cert.pem` and `key.pem`, to be copied to the client's machine as its TLS directory. */
  readonly directory: string;
  readonly serialNumber: string;
  readonly validUntilMs: number;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/**
 * Makes a certificate for a client of another machine, for a year unless `days` says otherwise.
 *
 * @throws BuildError `USAGE` for a name that is none or is taken, `BACKEND_UNAVAILABLE` where the CA's key is not.
 */
export async function createClientIdentity(
  directory: string,
  name: string,
  options: TlsOptions & { readonly days?: number } = {},
): Promise<ClientIdentity> {
  if (!NAME.test(name) || name === 'local') {
    throw new BuildError('USAGE', `"${name}" cannot be the name of a client.`, {
      hint: 'Use letters, digits, dots, dashes and underscores; `local` is this host itself.',
    });
  }
  await ensureTlsDirectory(directory, options);
  const paths = tlsPaths(directory);
  const ca = readCa(paths);
  const home = join(paths.clients, name);
  return withFileLock(paths.lock, async () => {
    if (readIdentity(paths, name) !== undefined) {
      throw new BuildError('USAGE', `There is a client named ${name} already.`, {
        hint: 'Choose another name, or revoke the old one first.',
      });
    }
    const validity = leafValidity(options.nowMs ?? Date.now(), options.days);
    const leaf = await createLeaf(ca, { kind: 'client', name, validity });
    makePrivateDirectory(paths.clients);
    makePrivateDirectory(home);
    writePrivate(join(home, 'ca.pem'), readText(paths.ca) ?? ca.cert);
    writePrivate(join(home, 'key.pem'), leaf.key);
    writePrivate(join(home, 'cert.pem'), leaf.cert);
    return readIdentity(paths, name)!;
  });
}

/** The clients of other machines, by name; also those whose certificate is over. */
export function listIdentities(directory: string): readonly ClientIdentity[] {
  const paths = tlsPaths(directory);
  return namesIn(paths.clients)
    .map((name) => readIdentity(paths, name))
    .filter((identity) => identity !== undefined);
}

/**
 * Refuses a client's certificate from now on, and removes its files here.
 *
 * @throws BuildError `USAGE` when there is no client of that name.
 */
export async function revokeIdentity(directory: string, name: string): Promise<ClientIdentity> {
  const paths = tlsPaths(directory);
  makePrivateDirectory(directory);
  return withFileLock(paths.lock, async () => {
    const identity = NAME.test(name) ? readIdentity(paths, name) : undefined;
    if (identity === undefined) {
      const names = listIdentities(directory).map((found) => found.name);
      throw new BuildError('USAGE', `There is no client named ${name}.`, {
        hint: names.length === 0 ? 'No clients of other machines were made.' : `There are: ${names.join(', ')}.`,
      });
    }
    const revoked = readText(paths.revoked) ?? '';
    writePrivate(paths.revoked, `${revoked}${identity.serialNumber} ${name}\n`);
    await rm(identity.directory, { recursive: true, force: true });
    return identity;
  });
}

/**
 * Refuses calls of clients that were revoked, also on connections that are open already. For `ServeOptions.authorize`. The
 * list is read again when it has changed.
 */
export function createRevocationCheck(directory: string): (call: { readonly peer: Peer }) => void {
  const { revoked } = tlsPaths(directory);
  let seen: string | undefined;
  let serials: ReadonlySet<string> = new Set();
  const refresh = (): void => {
    const stats = statSync(revoked, { throwIfNoEntry: false });
    const stamp = stats === undefined ? undefined : `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
    if (stamp === seen) return;
    seen = stamp;
    const lines = (readText(revoked) ?? '').split('\n');
    serials = new Set(lines.map((line) => line.split(' ')[0]!).filter((serial) => serial !== ''));
  };
  return ({ peer }) => {
    refresh();
    if (peer.serialNumber === undefined || !serials.has(peer.serialNumber)) return;
    throw new BuildError('BACKEND_UNAVAILABLE', `The certificate of ${peer.identity ?? 'this client'} was revoked.`, {
      hint: "Ask the daemon's operator for a new one.",
    });
  };
}

function readIdentity(paths: TlsPaths, name: string): ClientIdentity | undefined {
  const directory = join(paths.clients, name);
  const facts = readCertificate(readText(join(directory, 'cert.pem')) ?? '');
  if (facts === undefined) return undefined;
  return { name, directory, serialNumber: facts.serialNumber, validUntilMs: facts.validUntilMs };
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}
