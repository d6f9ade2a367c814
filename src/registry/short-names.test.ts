import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadShortNames } from './registry-hosts.ts';
import { expandShortName } from './short-names.ts';

describe('expandShortName()', () => {
  const known = { aliases: { centos: 'quay.io/centos/centos', 'team/app': 'r.example/app' }, searchRegistries: [] };

  it.each([
    ['centos', ['quay.io/centos/centos']],
    ['centos:9', ['quay.io/centos/centos:9']],
    ['centos@sha256:aa', ['quay.io/centos/centos@sha256:aa']],
    ['team/app:1', ['r.example/app:1']],
    ['docker.io/centos', ['docker.io/centos']],
    ['localhost/centos', ['localhost/centos']],
    ['localhost:5000/centos', ['localhost:5000/centos']],
    ['oci-layout://centos', ['oci-layout://centos']],
    ['busybox', ['busybox']],
  ])('takes %s for %j', (name, expected) => {
    expect(expandShortName(name, known)).toEqual(expected);
  });

  it('looks for what is no alias in each registry that is searched', () => {
    const searching = { ...known, searchRegistries: ['r.example', 'docker.io'] };
    expect(expandShortName('a/b:1', searching)).toEqual(['r.example/a/b:1', 'docker.io/a/b:1']);
    expect(expandShortName('centos', searching)).toEqual(['quay.io/centos/centos']);
  });
});

describe('loadShortNames()', () => {
  const root = mkdtempSync(join(tmpdir(), 'zlayer-short-'));
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const load = () => loadShortNames({ env: {}, home: join(root, 'home'), systemRoot: root });

  it('joins the aliases of all files, lets the last list decide, and forgets an empty alias', async () => {
    write('etc/containers/registries.conf', 'unqualified-search-registries = ["a.example"]\n');
    write('etc/containers/registries.conf.d/1.conf', '[aliases]\none = "r.example/one"\ntwo = "r.example/two"\n');
    write(
      'home/.config/containers/registries.conf.d/2.conf',
      'unqualified-search-registries = ["b.example"]\n[aliases]\n"two" = ""\n"t/x" = "r.example/x"\n',
    );
    expect(await load()).toEqual({
      aliases: { one: 'r.example/one', 't/x': 'r.example/x' },
      searchRegistries: ['b.example'],
    });
  });

  it.each(['unqualified-search-registries = "a"', '[aliases]\na = 1', '[aliases'])(
    'refuses %j by its file',
    async (text) => {
      write('etc/containers/registries.conf', text);
      await expect(load()).rejects.toMatchObject({
        code: 'REGISTRY_CONFIG_INVALID',
        message: expect.stringContaining('etc/containers/registries.conf'),
      });
    },
  );
});
