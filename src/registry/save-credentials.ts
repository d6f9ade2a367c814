import { randomBytes } from 'node:crypto';
import { mkdir, open, realpath, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BuildError } from '../core/index.ts';
import {
  type AuthEntry,
  type AuthFile,
  type CredentialOptions,
  dockerConfigPath,
  keyOfRegistry,
  readAuthFile,
} from './auth-file.ts';
import { eraseFromHelper, storeInHelper } from './credential-helper.ts';
import { helpersFor } from './docker-credentials.ts';
import type { Credentials } from './types.ts';

/** A sign-in to keep. */
export interface SignIn {
  /** Host as in a reference; `docker.io` for Docker Hub. */
  readonly registry: string;
  readonly credentials: Extract<Credentials, { kind: 'basic' | 'identity-token' }>;
}

/** Where a sign-in went. `isPlain`: in a file that holds it readably (Base64). */
export interface SavedCredentials {
  readonly storedIn: string;
  readonly isPlain: boolean;
}

/**
 * Keeps a sign-in where docker would: in the helper that its `config.json` names, else in that file (or in
 * `REGISTRY_AUTH_FILE`), which is replaced at once and readable by its owner alone.
 *
 * @throws BuildError `CREDENTIALS_INVALID` when the file cannot be understood or written, or the helper fails.
 */
export async function saveCredentials(options: CredentialOptions, signIn: SignIn): Promise<SavedCredentials> {
  const path = targetPath(options);
  const file = (await readAuthFile(path)) ?? {};
  const key = keyOfRegistry(signIn.registry);
  const [helper] = helpersFor(file, signIn.registry);
  if (helper !== undefined) {
    await storeInHelper({ name: helper, env: options.env }, { serverUrl: key, ...secretOf(signIn.credentials) });
    // As docker does: an empty entry shows that somebody is signed in.
    await writeAuthFile(path, withEntry(file, key, {}));
    return { storedIn: `docker-credential-${helper}`, isPlain: false };
  }
  await writeAuthFile(path, withEntry(file, key, entryOf(signIn.credentials)));
  return { storedIn: path, isPlain: true };
}

/**
 * Forgets a sign-in. `removed` is false when there was none.
 *
 * @throws BuildError `CREDENTIALS_INVALID` as `saveCredentials`.
 */
export async function eraseCredentials(
  options: CredentialOptions,
  registry: string,
): Promise<{ readonly removed: boolean; readonly storedIn: string }> {
  const path = targetPath(options);
  const file = await readAuthFile(path);
  if (file === undefined) return { removed: false, storedIn: path };
  const key = keyOfRegistry(registry);
  const [helper] = helpersFor(file, registry);
  const erased = helper !== undefined && (await eraseFromHelper({ name: helper, env: options.env }, key));
  const aliases = [key, registry, `https://${registry}`, `https://${registry}/v1/`, `https://${registry}/v2/`];
  const keys = Object.keys(file.auths ?? {}).filter((known) => aliases.includes(known));
  if (keys.length > 0) {
    const auths = Object.fromEntries(Object.entries(file.auths ?? {}).filter(([known]) => !keys.includes(known)));
    await writeAuthFile(path, { ...file, auths });
  }
  const storedIn = helper === undefined ? path : `docker-credential-${helper}`;
  return { removed: erased || (helper === undefined && keys.length > 0), storedIn };
}

function targetPath(options: CredentialOptions): string {
  return options.env.REGISTRY_AUTH_FILE || dockerConfigPath(options);
}

function secretOf(credentials: SignIn['credentials']): { readonly username: string; readonly secret: string } {
  return credentials.kind === 'basic'
    ? { username: credentials.username, secret: credentials.password }
    : { username: '<token>', secret: credentials.token };
}

function entryOf(credentials: SignIn['credentials']): AuthEntry {
  const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
  if (credentials.kind === 'basic') return { auth: encode(`${credentials.username}:${credentials.password}`) };
  const auth = credentials.username === undefined ? {} : { auth: encode(`${credentials.username}:`) };
  return { ...auth, identitytoken: credentials.token };
}

function withEntry(file: AuthFile, key: string, entry: AuthEntry): AuthFile {
  return { ...file, auths: { ...file.auths, [key]: entry } };
}

/** Through a link, where the file is one: people keep such files elsewhere. */
async function writeAuthFile(path: string, file: AuthFile): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const target = await realpath(path).catch(() => path);
    const temporary = `${target}.${randomBytes(6).toString('hex')}`;
    try {
      const handle = await open(temporary, 'wx', 0o600);
      try {
        await handle.writeFile(`${JSON.stringify(file, undefined, '\t')}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BuildError('CREDENTIALS_INVALID', `Could not write the credential file ${path} (${code}).`, {
      cause: error,
      hint: 'Make its directory writable, or name another file with REGISTRY_AUTH_FILE.',
    });
  }
}
