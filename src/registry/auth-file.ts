import { access, constants, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { BuildError } from '../core/index.ts';
import type { Credentials } from './types.ts';

/** Where credentials are looked for. */
export interface CredentialOptions {
  /** `REGISTRY_AUTH_FILE`, `DOCKER_CONFIG`, `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME`, `HOME`; `PATH` for helpers. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Home directory; default `HOME`, else the user's. */
  readonly home?: string;
}

/** A `config.json` of docker or an `auth.json` of containers. Fields that are not ours are kept when it is written. */
export interface AuthFile {
  readonly auths?: Readonly<Record<string, AuthEntry>>;
  /** Helper by registry host. */
  readonly credHelpers?: Readonly<Record<string, string>>;
  /** Helper for all other registries. */
  readonly credsStore?: string;
}

export interface AuthEntry {
  /** Base64 of `user:password`. */
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** Docker Hub goes by this name in credential files and helpers. */
const HUB_KEY = 'https://index.docker.io/v1/';
const HUB_HOSTS = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/** What a registry is called in files and helpers. */
export function keyOfRegistry(registry: string): string {
  return HUB_HOSTS.includes(registry) ? HUB_KEY : registry;
}

export function homeOf({ env, home }: CredentialOptions): string {
  return home ?? (env.HOME || homedir());
}

/** Docker's own file: where credentials are kept, unless `REGISTRY_AUTH_FILE` names another. */
export function dockerConfigPath(options: CredentialOptions): string {
  return join(options.env.DOCKER_CONFIG || join(homeOf(options), '.docker'), 'config.json');
}

/** All files that may hold credentials, the one that wins first: what was named, then docker's, then podman's. */
export function authFilePaths(options: CredentialOptions): readonly string[] {
  const { env } = options;
  const configHome = env.XDG_CONFIG_HOME || join(homeOf(options), '.config');
  const candidates = [
    env.REGISTRY_AUTH_FILE,
    dockerConfigPath(options),
    join(env.XDG_RUNTIME_DIR || `/run/user/${process.getuid?.() ?? 0}`, 'containers', 'auth.json'),
    // Where containers tools put it when a user has no runtime directory, root mostly.
    join('/run/containers', String(process.getuid?.() ?? 0), 'auth.json'),
    join(configHome, 'containers', 'auth.json'),
  ];
  return [...new Set(candidates.filter((path) => path !== undefined && path !== ''))] as string[];
}

/**
 * Undefined when there is no such file. One in a directory that this user may not enter counts as none: it is somebody else's.
 *
 * @throws BuildError `CREDENTIALS_INVALID` when it cannot be read or understood.
 */
export async function readAuthFile(path: string): Promise<AuthFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'EACCES' && !(await mayEnter(dirname(path)))) return undefined;
    throw invalid(path, `it cannot be read (${code})`);
  }
  if (text.trim() === '') return {};
  return parseAuthFile(path, text);
}

async function mayEnter(directory: string): Promise<boolean> {
  return access(directory, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** The content never appears in an error: it is secret. */
function parseAuthFile(path: string, text: string): AuthFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(path, 'it is no JSON document');
  }
  if (!isRecord(value)) throw invalid(path, 'it is no JSON object');
  const { auths, credHelpers, credsStore } = value;
  if (auths !== undefined && auths !== null && !(isRecord(auths) && Object.values(auths).every(isRecord))) {
    throw invalid(path, '"auths" is no object of objects');
  }
  const helpersAreTexts =
    isRecord(credHelpers) && Object.values(credHelpers).every((helper) => typeof helper === 'string');
  if (credHelpers !== undefined && credHelpers !== null && !helpersAreTexts) {
    throw invalid(path, '"credHelpers" is no object of names');
  }
  if (credsStore !== undefined && credsStore !== null && typeof credsStore !== 'string') {
    throw invalid(path, '"credsStore" is no name');
  }
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(path: string, why: string): BuildError {
  return new BuildError('CREDENTIALS_INVALID', `Could not use the credential file ${path}: ${why}.`, {
    hint: 'Correct the file, or name another with REGISTRY_AUTH_FILE.',
  });
}

/** The entry with the longest key for a repository (containers-auth.json); empty entries count as absent. */
export function findAuthEntry(
  file: AuthFile,
  target: RepositoryName,
): { readonly key: string; readonly entry: AuthEntry } | undefined {
  const entries = file.auths ?? {};
  const filled = Object.keys(entries).filter((name) => Object.keys(entries[name]!).length > 0);
  const key = longestKeyFor(filled, target);
  return key === undefined ? undefined : { key, entry: entries[key]! };
}

interface RepositoryName {
  readonly registry: string;
  readonly repository: string;
}

/** The longest key that a repository lies under: a registry's host, or a host with a path. Of URLs only the host counts. */
export function longestKeyFor(keys: readonly string[], target: RepositoryName): string | undefined {
  const isHub = HUB_HOSTS.includes(target.registry);
  const name = `${isHub ? 'docker.io' : target.registry}/${target.repository}/`;
  const matches = keys
    .map((key) => ({ key, prefix: normalizeKey(key) }))
    .filter(({ prefix }) => name.startsWith(`${prefix}/`));
  return matches.sort((a, b) => b.prefix.length - a.prefix.length)[0]?.key;
}

function normalizeKey(key: string): string {
  const isUrl = /^https?:\/\//.test(key);
  const bare = key.replace(/^https?:\/\//, '').replace(/\/+$/, '');
  const slash = bare.indexOf('/');
  const isApiPath = /^[^/]+\/v[12]$/.test(bare);
  const host = slash < 0 ? bare : bare.slice(0, slash);
  const canonical = HUB_HOSTS.includes(host) ? 'docker.io' : host;
  return isUrl || isApiPath || slash < 0 ? canonical : `${canonical}${bare.slice(slash)}`;
}

/** @throws BuildError `CREDENTIALS_INVALID` when `auth` is not the Base64 of `user:password`. */
export function credentialsOfEntry(
  entry: AuthEntry,
  where: { readonly path: string; readonly key: string },
): Credentials | undefined {
  const decoded = entry.auth === undefined || entry.auth === '' ? undefined : decodeAuth(entry.auth, where);
  const username = decoded?.username ?? entry.username;
  const password = decoded?.password ?? entry.password;
  if (entry.registrytoken) return { kind: 'bearer', token: entry.registrytoken };
  if (entry.identitytoken) {
    return { kind: 'identity-token', token: entry.identitytoken, ...(username ? { username } : {}) };
  }
  if (!username && !password) return undefined;
  return { kind: 'basic', username: username ?? '', password: password ?? '' };
}

function decodeAuth(
  auth: string,
  { path, key }: { readonly path: string; readonly key: string },
): { readonly username: string; readonly password: string } {
  // Some tools end the password with NUL bytes.
  const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = text.indexOf(':');
  if (colon < 0) throw invalid(path, `"auth" of "${key}" is not the Base64 of user:password`);
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
