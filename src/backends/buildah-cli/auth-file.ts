import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Credentials } from '../../registry/index.ts';
import type { Env } from '../selection/host-facts.ts';
import { privateParent } from './private-directory.ts';

/** Sign-ins by registry host, as a request carries them. */
export type RequestCredentials = Readonly<Record<string, Credentials>>;

interface AuthFile {
  readonly auths: Readonly<Record<string, unknown>>;
  readonly credHelpers: Readonly<Record<string, unknown>>;
}

/**
 * Lends a file with the user's sign-ins and those of a request, which win, as `--authfile`. It is readable by this user
 * alone, in memory where the host has such a place, and gone when `work` ends. Without sign-ins in the request, buildah
 * finds the user's files by itself.
 */
export async function withAuthFile<T>(
  env: Env,
  credentials: RequestCredentials | undefined,
  work: (options: readonly string[]) => Promise<T>,
): Promise<T> {
  if (credentials === undefined || Object.keys(credentials).length === 0) return work([]);
  const directory = await mkdtemp(join(await privateParent(env, tmpdir()), 'zlayer-auth-'));
  try {
    const path = join(directory, 'auth.json');
    const file = mergeAuth(await readUserFiles(env), credentials);
    await writeFile(path, JSON.stringify(file), { mode: 0o600, flag: 'wx' });
    return await work(['--authfile', path]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The keys of a registry in such files. */
function keysOf(registry: string): readonly string[] {
  return registry === 'docker.io' ? ['docker.io', 'index.docker.io', 'https://index.docker.io/v1/'] : [registry];
}

/** The file that buildah gets. An anonymous sign-in takes away what the user's files say. */
export function mergeAuth(user: AuthFile, credentials: RequestCredentials): AuthFile {
  const auths = { ...user.auths };
  const credHelpers = { ...user.credHelpers };
  for (const [registry, value] of Object.entries(credentials)) {
    for (const key of keysOf(registry)) {
      delete auths[key];
      delete credHelpers[key];
    }
    const entry = entryOf(value);
    if (entry !== undefined) auths[registry] = entry;
  }
  return { auths, credHelpers };
}

function entryOf(credentials: Credentials): Readonly<Record<string, string>> | undefined {
  switch (credentials.kind) {
    case 'basic':
      return { auth: Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64') };
    case 'identity-token':
      return {
        auth: Buffer.from(`${credentials.username ?? '<token>'}:`).toString('base64'),
        identitytoken: credentials.token,
      };
    case 'bearer':
      return { registrytoken: credentials.token };
    case 'anonymous':
      return undefined;
  }
}

/** What buildah would read, the first file that names a registry wins (containers-auth.json(5)). */
async function readUserFiles(env: Env): Promise<AuthFile> {
  const home = env['HOME'] ?? '/';
  const runtime = env['XDG_RUNTIME_DIR'];
  const own = env['REGISTRY_AUTH_FILE'];
  const paths =
    own !== undefined
      ? [own]
      : [
          join(env['DOCKER_CONFIG'] ?? join(home, '.docker'), 'config.json'),
          join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'containers', 'auth.json'),
          ...(runtime === undefined ? [] : [join(runtime, 'containers', 'auth.json')]),
        ];
  let merged: AuthFile = { auths: {}, credHelpers: {} };
  for (const path of paths) {
    const file = await readAuthFile(path);
    merged = {
      auths: { ...merged.auths, ...file.auths },
      credHelpers: { ...merged.credHelpers, ...file.credHelpers },
    };
  }
  return merged;
}

async function readAuthFile(path: string): Promise<Partial<AuthFile>> {
  try {
    const file: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof file === 'object' && file !== null ? (file as Partial<AuthFile>) : {};
  } catch {
    return {};
  }
}
