import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergeAuth, withAuthFile } from './auth-file.ts';

const basic = { kind: 'basic', username: 'me', password: 'p:w' } as const;

describe('mergeAuth()', () => {
  it('puts sign-ins of the request before those of the user, and keeps the others', () => {
    const user = {
      auths: { 'r.example': { auth: 'old' }, 'o.example': { auth: 'kept' } },
      credHelpers: { 'r.example': 'pass' },
    };
    expect(mergeAuth(user, { 'r.example': basic })).toEqual({
      auths: { 'r.example': { auth: Buffer.from('me:p:w').toString('base64') }, 'o.example': { auth: 'kept' } },
      credHelpers: {},
    });
  });

  it('takes away what the user has for an anonymous sign-in, under all names of the hub', () => {
    const user = { auths: { 'https://index.docker.io/v1/': { auth: 'x' } }, credHelpers: {} };
    expect(mergeAuth(user, { 'docker.io': { kind: 'anonymous' } }).auths).toEqual({});
  });
});

describe('withAuthFile()', () => {
  it('lends a file for this user alone, which is gone afterwards, also after a failure', async () => {
    const home = mkdtempSync(join(tmpdir(), 'zlt-auth-'));
    writeFileSync(join(home, 'own.json'), JSON.stringify({ auths: { 'o.example': { auth: 'kept' } } }));
    const env = { HOME: home, REGISTRY_AUTH_FILE: join(home, 'own.json') };
    let path = '';
    const work = withAuthFile(env, { 'r.example': basic }, async ([option, file = '']) => {
      expect(option).toBe('--authfile');
      path = file;
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(statSync(dirname(file)).mode & 0o777).toBe(0o700);
      expect(Object.keys((JSON.parse(readFileSync(file, 'utf8')) as { auths: object }).auths)).toEqual([
        'o.example',
        'r.example',
      ]);
      throw new Error('over');
    });
    await expect(work).rejects.toThrow('over');
    expect(existsSync(path)).toBe(false);
    rmSync(home, { recursive: true });
  });

  it('leaves the files to buildah where the request has no sign-ins', async () => {
    expect(await withAuthFile({}, {}, async (options) => options)).toEqual([]);
  });
});
