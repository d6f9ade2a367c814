import { parseReference, type Reference } from '../../core/index.ts';
import { planStages } from '../../graph/index.ts';
import type { Credentials } from '../../registry/index.ts';
import type { MessageInput, PushAuthSchema } from '../../rpc/index.ts';
import { lowerOptions } from '../request/lower-request.ts';
import type { Env } from '../selection/host-facts.ts';
import type { LoadedRequest } from '../types.ts';

/** Sign-ins by registry host, or `host/repository`. */
export type SignIns = Readonly<Record<string, Credentials>>;

type Auth = MessageInput<typeof PushAuthSchema>;

/**
 * The sign-ins that work on some images needs: those that came with the request, and of the auth files of this host those for
 * exactly these repositories. Nothing else leaves this host.
 *
 * @throws BuildError `CREDENTIALS_INVALID` for an auth file that cannot be understood.
 */
export async function collectSignIns(
  env: Env,
  { given = {}, references }: { readonly given?: SignIns | undefined; readonly references: readonly string[] },
): Promise<SignIns> {
  const targets = new Map(
    references.flatMap(targetOf).map((target) => [`${target.registry}/${target.repository}`, target]),
  );
  if (targets.size === 0) return given;
  const { createDockerCredentials } = await import('../../registry/index.ts');
  const provider = createDockerCredentials({ env });
  const found: Record<string, Credentials> = {};
  for (const [key, target] of targets) {
    if (Object.keys(given).some((name) => covers(name, key))) continue;
    const { credentials } = await provider.resolve(target);
    if (credentials.kind !== 'anonymous') found[key] = credentials;
  }
  return { ...found, ...given };
}

/** The images that a build takes from registries, as far as that is known before its bases are there. */
export function imagesOf(loaded: LoadedRequest): readonly string[] {
  const plan = planStages(loaded.dockerfile, lowerOptions(loaded), () => undefined);
  return plan.images.map(({ reference }) => reference);
}

/** An image of a layout has no registry. */
function targetOf(text: string): readonly Reference[] {
  try {
    return /^[a-z-]+:\/\//.test(text) ? [] : [parseReference(text)];
  } catch {
    return [];
  }
}

/** Whether a key as in auth files is for a repository. */
function covers(name: string, repository: string): boolean {
  const host = name.replace(/^https?:\/\//, '').replace(/\/v[12]\/?$/, '');
  const key = host.replace(/^(index|registry-1)\.docker\.io(?=\/|$)/, 'docker.io');
  return repository === key || repository.startsWith(`${key}/`);
}

/** Sign-ins in the words of the protocol. */
export function toAuths(signIns: SignIns): { [host: string]: Auth } {
  return Object.fromEntries(Object.entries(signIns).map(([host, credentials]) => [host, toAuth(credentials)]));
}

function toAuth(credentials: Credentials): Auth {
  switch (credentials.kind) {
    case 'basic':
      return { username: credentials.username, password: credentials.password };
    case 'identity-token':
      return { username: credentials.username ?? '', identityToken: credentials.token };
    case 'bearer':
      return { registryToken: credentials.token };
    case 'anonymous':
      return {};
  }
}
