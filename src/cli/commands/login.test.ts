import { describe, expect, it } from 'vitest';
import { runFake } from '../../../test/cli/fake-context.ts';
import type { LoginInput } from '../services.ts';

function createSignIns(): { readonly services: object; readonly signIns: LoginInput[] } {
  const signIns: LoginInput[] = [];
  return {
    signIns,
    services: {
      login: async (input: LoginInput) => {
        signIns.push(input);
        return { storedIn: '/home/me/.docker/config.json' };
      },
      logout: async (registry: string) => ({
        removed: registry === 'ghcr.io',
        storedIn: '/home/me/.docker/config.json',
      }),
    },
  };
}

describe('zlayer login', () => {
  it('takes the password from standard input without its line end, and never shows it', async () => {
    const { services, signIns } = createSignIns();
    const outcome = await runFake(['login', '-u', 'me', '--password-stdin', 'https://ghcr.io/v2/'], {
      services,
      stdin: 's3cret \n',
    });
    expect(outcome).toMatchObject({ status: 0, stdout: '' });
    expect(outcome.stderr).toBe('Signed in to ghcr.io as me. The sign-in is kept in /home/me/.docker/config.json.\n');
    expect(signIns).toEqual([
      { registry: 'ghcr.io', credentials: { kind: 'basic', username: 'me', password: 's3cret ' } },
    ]);
  });

  it.each([
    [undefined, 'docker.io'],
    ['index.docker.io', 'docker.io'],
    ['https://index.docker.io/v1/', 'docker.io'],
    ['localhost:5000', 'localhost:5000'],
  ])('takes %s for the registry %s', async (word, registry) => {
    const { services, signIns } = createSignIns();
    await runFake(['login', '-u', 'me', '-p', 'x', ...(word === undefined ? [] : [word])], { services });
    expect(signIns[0]!.registry).toBe(registry);
  });

  it('asks on a terminal', async () => {
    const { services, signIns } = createSignIns();
    const { stderr } = await runFake(['login', '-u', 'me', 'ghcr.io'], {
      services,
      stdin: 'pass\n',
      stdinIsTerminal: true,
    });
    expect(stderr).toContain('Password: ');
    expect(stderr).not.toContain('pass\n');
    expect(signIns[0]!.credentials.password).toBe('pass');
  });

  it.each([
    [['--password-stdin'], 'needs the user name'],
    [['-u', 'me'], 'nobody can be asked'],
    [['-u', 'me', '-p', 'x', '--password-stdin'], 'contradict'],
    [['-u', 'me', '--password-stdin'], 'The password is empty.'],
    [['-u', 'me', '-p', 'x', 'ghcr.io/team/app'], 'is not a registry'],
  ])('refuses %j', async (args, text) => {
    const { services, signIns } = createSignIns();
    const { status, stderr } = await runFake(['login', ...args], { services });
    expect(status).toBe(2);
    expect(stderr).toContain(text);
    expect(signIns).toEqual([]);
  });
});

describe('zlayer logout', () => {
  it('says whether there was a sign-in', async () => {
    const { services } = createSignIns();
    expect((await runFake(['logout', 'ghcr.io'], { services })).stderr).toContain('was removed from');
    expect(await runFake(['logout'], { services })).toMatchObject({
      status: 0,
      stderr: 'There is no sign-in to docker.io.\n',
    });
  });
});
