import {
  type AuthFile,
  authFilePaths,
  type CredentialOptions,
  credentialsOfEntry,
  findAuthEntry,
  keyOfRegistry,
  readAuthFile,
} from './auth-file.ts';
import { getFromHelper } from './credential-helper.ts';
import type { CredentialProvider, Credentials } from './types.ts';

interface Target {
  readonly registry: string;
  readonly repository: string;
}

type Found = { readonly credentials: Credentials; readonly source: string };

/**
 * Credentials from where docker and podman keep them: the file of `REGISTRY_AUTH_FILE`, docker's `config.json`, podman's
 * `auth.json`, in that order. In each file a helper for the registry comes first, then the helper for all, then the entry
 * with the longest key. A helper that does not work leaves the pull anonymous, and says so in `source`.
 *
 * @throws BuildError `CREDENTIALS_INVALID` when a file cannot be understood.
 */
export function createDockerCredentials(options: CredentialOptions): CredentialProvider {
  return {
    resolve: async (target) => {
      const troubles: string[] = [];
      for (const path of authFilePaths(options)) {
        const file = await readAuthFile(path);
        if (file === undefined) continue;
        const found = (await askHelpers(options, { file, path, target }, troubles)) ?? findInFile(file, path, target);
        if (found !== undefined) return found;
      }
      const reason = troubles.length === 0 ? '' : ` (${troubles.join('; ')})`;
      return { credentials: { kind: 'anonymous' }, source: `none were found${reason}` };
    },
  };
}

/** Helpers of a file that are responsible for a registry, best first. */
export function helpersFor({ credHelpers, credsStore }: AuthFile, registry: string): readonly string[] {
  const own = credHelpers?.[registry] ?? credHelpers?.[keyOfRegistry(registry)];
  return [own, credsStore].filter((name): name is string => typeof name === 'string' && name !== '');
}

async function askHelpers(
  { env }: CredentialOptions,
  { file, path, target }: { readonly file: AuthFile; readonly path: string; readonly target: Target },
  troubles: string[],
): Promise<Found | undefined> {
  for (const name of helpersFor(file, target.registry)) {
    const answer = await getFromHelper({ name, env }, keyOfRegistry(target.registry));
    if (answer.kind === 'found') {
      return { credentials: answer.credentials, source: `docker-credential-${name}, named in ${path}` };
    }
    if (answer.kind === 'failed') troubles.push(`${answer.reason}, named in ${path}`);
  }
  return undefined;
}

function findInFile(file: AuthFile, path: string, target: Target): Found | undefined {
  const match = findAuthEntry(file, target);
  if (match === undefined) return undefined;
  const credentials = credentialsOfEntry(match.entry, { path, key: match.key });
  return credentials === undefined ? undefined : { credentials, source: `"${match.key}" in ${path}` };
}
