import { describe, expect, it } from 'vitest';
import { createGivenCredentials } from './given-credentials.ts';
import type { Credentials } from './types.ts';

const basic = (username: string): Credentials => ({ kind: 'basic', username, password: 'p' });
const otherwise = { resolve: async () => ({ credentials: basic('from files'), source: 'a file' }) };

async function userFor(
  given: Readonly<Record<string, Credentials>>,
  registry: string,
  repository = 'a/b',
): Promise<string> {
  const { credentials, source } = await createGivenCredentials(given, otherwise).resolve({ registry, repository });
  const user = credentials.kind === 'basic' ? credentials.username : credentials.kind;
  return `${user} (${source})`;
}

describe('createGivenCredentials()', () => {
  it('comes before other credentials, for its registry alone', async () => {
    const given = { 'registry.example.com': basic('ann') };
    expect(await userFor(given, 'registry.example.com')).toBe('ann (the request)');
    expect(await userFor(given, 'registry.example.com:5000')).toBe('from files (a file)');
    expect(await userFor({}, 'registry.example.com')).toBe('from files (a file)');
  });

  it.each(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'https://index.docker.io/v1/'])(
    'takes %s for Docker Hub',
    async (key) => {
      expect(await userFor({ [key]: basic('hub') }, 'docker.io', 'library/busybox')).toBe('hub (the request)');
    },
  );

  it.each(['https://127.0.0.1:5000', '127.0.0.1:5000/v2/', 'http://127.0.0.1:5000/v2/'])(
    'reads the host of %s',
    async (key) => {
      expect(await userFor({ [key]: basic('local') }, '127.0.0.1:5000')).toBe('local (the request)');
    },
  );

  it('lets the longest key win', async () => {
    const given = { 'r.example.com': basic('all'), 'r.example.com/team': basic('team') };
    expect(await userFor(given, 'r.example.com', 'team/app')).toBe('team (the request)');
    expect(await userFor(given, 'r.example.com', 'teams/app')).toBe('all (the request)');
  });

  it('can say that a registry is to be asked without a name', async () => {
    expect(await userFor({ 'r.example.com': { kind: 'anonymous' } }, 'r.example.com')).toBe('anonymous (the request)');
  });
});
