import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDockerCredentials } from './docker-credentials.ts';
import { eraseCredentials, saveCredentials } from './save-credentials.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'zlayer-credentials-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

async function write(path: string, content: unknown): Promise<string> {
  const target = join(home, path);
  await mkdir(join(target, '..'), { recursive: true });
  await writeFile(target, typeof content === 'string' ? content : JSON.stringify(content));
  return target;
}

/** A helper program that keeps its one secret in a file. */
async function writeHelper(name: string, script: string): Promise<void> {
  const path = await write(`bin/docker-credential-${name}`, `#!/bin/sh\ncd ${home}\n${script}\n`);
  await chmod(path, 0o755);
}

function find(registry: string, repository = 'library/app', env: Record<string, string> = {}) {
  const path = `${join(home, 'bin')}:/usr/bin:/bin`;
  const runtime = { XDG_RUNTIME_DIR: join(home, 'run') };
  return createDockerCredentials({ env: { PATH: path, ...runtime, ...env }, home }).resolve({ registry, repository });
}

describe('createDockerCredentials()', () => {
  it.skipIf(process.getuid?.() === 0)('passes over a directory that is not for this user', async () => {
    const closed = join(home, 'closed');
    await mkdir(closed);
    await chmod(closed, 0o000);
    const provider = createDockerCredentials({ env: { DOCKER_CONFIG: closed, XDG_RUNTIME_DIR: home }, home });
    const { credentials } = await provider.resolve({ registry: 'r.example', repository: 'a' });
    await chmod(closed, 0o700);
    expect(credentials).toEqual({ kind: 'anonymous' });
  });

  it("reads docker's config.json and says where it found what", async () => {
    const path = await write('.docker/config.json', { auths: { 'ghcr.io': { auth: base64('ann:pa:ss') } } });
    expect(await find('ghcr.io')).toEqual({
      credentials: { kind: 'basic', username: 'ann', password: 'pa:ss' },
      source: `"ghcr.io" in ${path}`,
    });
  });

  for (const key of ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io']) {
    it(`knows Docker Hub as ${key}`, async () => {
      await write('.docker/config.json', { auths: { [key]: { auth: base64('ann:x') } } });
      expect((await find('docker.io')).credentials).toMatchObject({ username: 'ann' });
    });
  }

  for (const key of ['https://r.example:5000', 'http://r.example:5000/v2/', 'r.example:5000/v1', 'r.example:5000/']) {
    it(`reads the key ${key} as a host`, async () => {
      await write('.docker/config.json', { auths: { [key]: { auth: base64('ann:x') } } });
      expect((await find('r.example:5000')).credentials.kind).toBe('basic');
      expect((await find('r.example')).credentials.kind).toBe('anonymous');
    });
  }

  it('prefers the longest path, by whole components', async () => {
    const auths = {
      'quay.io': { auth: base64('all:x') },
      'quay.io/org': { auth: base64('org:x') },
      'quay.io/org/app': { auth: base64('app:x') },
    };
    await write('.config/containers/auth.json', { auths });
    const users = await Promise.all(
      ['org/app', 'org/app2', 'organ/x', 'x'].map(
        async (repository) => (await find('quay.io', repository)).credentials,
      ),
    );
    expect(users.map((found) => found.kind === 'basic' && found.username)).toEqual(['app', 'org', 'all', 'all']);
  });

  it('looks into the named file, docker, the runtime directory and the home directory, in that order', async () => {
    const file = (user: string) => ({ auths: { 'r.example': { auth: base64(`${user}:x`) } } });
    const user = async (env: Record<string, string> = {}) => {
      const { credentials } = await find('r.example', 'a', env);
      return credentials.kind === 'basic' ? credentials.username : credentials.kind;
    };
    expect(await user()).toBe('anonymous');
    await write('.config/containers/auth.json', file('home'));
    expect(await user()).toBe('home');
    await write('run/containers/auth.json', file('runtime'));
    expect(await user()).toBe('runtime');
    await write('.docker/config.json', file('docker'));
    expect(await user()).toBe('docker');
    await write('elsewhere/config.json', file('elsewhere'));
    expect(await user({ DOCKER_CONFIG: join(home, 'elsewhere') })).toBe('elsewhere');
    await write('named.json', file('named'));
    expect(await user({ REGISTRY_AUTH_FILE: join(home, 'named.json') })).toBe('named');
  });

  it('reads identity tokens, registry tokens, and names beside passwords', async () => {
    await write('.docker/config.json', {
      auths: {
        a: { auth: base64('00000000:'), identitytoken: 'idt' },
        b: { registrytoken: 'rt' },
        c: { username: 'ann', password: 'x' },
        d: {},
      },
    });
    expect((await find('a')).credentials).toEqual({ kind: 'identity-token', token: 'idt', username: '00000000' });
    expect((await find('b')).credentials).toEqual({ kind: 'bearer', token: 'rt' });
    expect((await find('c')).credentials).toEqual({ kind: 'basic', username: 'ann', password: 'x' });
    expect((await find('d')).credentials).toEqual({ kind: 'anonymous' });
  });

  it('asks the helper of the registry, then the helper for all', async () => {
    await writeHelper('own', `[ "$1" = get ] && read -r server; echo '{"Username":"<token>","Secret":"from-own"}'`);
    await writeHelper('all', `cat >asked; echo '{"Username":"ann","Secret":"from-all"}'`);
    await write('.docker/config.json', { credHelpers: { 'own.example': 'own' }, credsStore: 'all' });
    expect(await find('own.example')).toMatchObject({
      credentials: { kind: 'identity-token', token: 'from-own' },
      source: expect.stringContaining('docker-credential-own'),
    });
    expect((await find('docker.io')).credentials).toEqual({ kind: 'basic', username: 'ann', password: 'from-all' });
    expect(await readFile(join(home, 'asked'), 'utf8')).toBe('https://index.docker.io/v1/');
  });

  it('goes on without credentials, and says why, when a helper is missing or broken', async () => {
    await writeHelper('broken', 'echo "the vault is closed: Bearer abcdefgh12345"; exit 1');
    await write('.docker/config.json', { credHelpers: { 'a.example': 'broken' }, credsStore: 'not-there' });
    const { credentials, source } = await find('a.example');
    expect(credentials.kind).toBe('anonymous');
    expect(source).toContain('docker-credential-broken failed ("the vault is closed: Bearer ***")');
    expect(source).toContain('docker-credential-not-there is not installed');
  });

  it('takes a helper that knows nothing as an answer, and reads the file then', async () => {
    await writeHelper('empty', 'echo "credentials not found in native keychain"; exit 1');
    await write('.docker/config.json', { credsStore: 'empty', auths: { 'a.example': { auth: base64('ann:x') } } });
    expect((await find('a.example')).credentials.kind).toBe('basic');
    expect((await find('b.example')).source).toBe('none were found');
  });

  it('runs no program that a name with a path would lead to', async () => {
    await write('.docker/config.json', { credsStore: '../../evil' });
    expect((await find('a.example')).source).toContain('is not the name of a credential helper');
  });

  for (const [title, content] of [
    ['no JSON', '{"auths": {"x": {"auth": "c2VjcmV0"'],
    ['no object', '["c2VjcmV0"]'],
    ['auths of texts', { auths: { x: 'c2VjcmV0' } }],
    ['auth without a colon', { auths: { 'a.example': { auth: base64('secret') } } }],
  ] as const) {
    it(`names a file with ${title}, and shows nothing of it`, async () => {
      const path = await write('.docker/config.json', content);
      const error = await find('a.example').catch((thrown: unknown) => thrown as Error);
      expect(error).toMatchObject({ code: 'CREDENTIALS_INVALID', message: expect.stringContaining(path) });
      expect((error as Error).message).not.toMatch(/c2VjcmV0|secret/);
    });
  }
});

describe('saveCredentials() and eraseCredentials()', () => {
  const ann = { kind: 'basic', username: 'ann', password: 'pä:ss' } as const;
  const options = () => ({
    env: { PATH: `${join(home, 'bin')}:${process.env.PATH}`, XDG_RUNTIME_DIR: join(home, 'run') },
    home,
  });

  it('keeps a sign-in that is found again, for the owner alone, and leaves other fields', async () => {
    const path = await write('.docker/config.json', {
      auths: { 'b.example': { auth: base64('b:x') } },
      detachKeys: 'ctrl-e',
    });
    await chmod(path, 0o644);
    expect(await saveCredentials(options(), { registry: 'docker.io', credentials: ann })).toEqual({
      storedIn: path,
      isPlain: true,
    });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
      auths: { 'b.example': { auth: base64('b:x') }, 'https://index.docker.io/v1/': { auth: base64('ann:pä:ss') } },
      detachKeys: 'ctrl-e',
    });
    expect((await find('docker.io')).credentials).toEqual(ann);
    expect(await eraseCredentials(options(), 'docker.io')).toEqual({ removed: true, storedIn: path });
    expect(await eraseCredentials(options(), 'docker.io')).toEqual({ removed: false, storedIn: path });
    expect((await find('b.example')).credentials.kind).toBe('basic');
  });

  it('writes through a link, and keeps the link', async () => {
    const real = await write('kept/elsewhere.json', {});
    await mkdir(join(home, '.docker'));
    await symlink(real, join(home, '.docker/config.json'));
    await saveCredentials(options(), { registry: 'a.example', credentials: { kind: 'identity-token', token: 'idt' } });
    expect(JSON.parse(await readFile(real, 'utf8')).auths['a.example']).toEqual({ identitytoken: 'idt' });
  });

  it('uses the helper that docker would', async () => {
    await writeHelper(
      'vault',
      `case "$1" in store) cat >kept;; get) cat kept;; erase) rm kept;; esac 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; }`,
    );
    const path = await write('.docker/config.json', { credsStore: 'vault' });
    expect(await saveCredentials(options(), { registry: 'a.example', credentials: ann })).toEqual({
      storedIn: 'docker-credential-vault',
      isPlain: false,
    });
    expect(await readFile(path, 'utf8')).not.toContain(base64('ann:pä:ss'));
    expect((await find('a.example')).credentials).toEqual(ann);
    expect((await eraseCredentials(options(), 'a.example')).removed).toBe(true);
    expect((await eraseCredentials(options(), 'a.example')).removed).toBe(false);
    expect((await find('a.example')).credentials.kind).toBe('anonymous');
  });
});
