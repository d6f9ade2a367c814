import { longestKeyFor } from './auth-file.ts';
import type { CredentialProvider, Credentials } from './types.ts';

/**
 * Credentials that came with a request, by registry host or `host/path` as in auth files (`docker.io` under any of its names,
 * URLs as docker writes them), before those of another provider. What was given is held in memory alone.
 */
export function createGivenCredentials(
  given: Readonly<Record<string, Credentials>>,
  otherwise: CredentialProvider,
): CredentialProvider {
  return {
    resolve: async (target) => {
      const key = longestKeyFor(Object.keys(given), target);
      if (key === undefined) return otherwise.resolve(target);
      return { credentials: given[key]!, source: 'the request' };
    },
  };
}
