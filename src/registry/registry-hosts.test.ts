import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseReference } from '../core/index.ts';
import { type Hosts, originEndpoint, pullEndpoints } from './endpoint.ts';
import { parseRegistriesConf } from './registries-conf.ts';
import { loadRegistryHosts } from './registry-hosts.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'zlayer-hosts-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function write(path: string, content: string): Promise<void> {
  await mkdir(join(root, path, '..'), { recursive: true });
  await writeFile(join(root, path), content);
}

const load = (env: Record<string, string> = {}) =>
  loadRegistryHosts({ env, home: join(root, 'home'), systemRoot: root });

describe('loadRegistryHosts()', () => {
  it('finds nothing on a machine without settings', async () => {
    expect(await load()).toEqual({});
  });

  it('reads rules, and certificates beside them', async () => {
    await write('etc/containers/registries.conf', '[[registry]]\nlocation = "r.example:5000"\ninsecure = true\n');
    await write('etc/docker/certs.d/r.example:5000/b.crt', 'B');
    await write('etc/docker/certs.d/r.example:5000/a.crt', 'A');
    await write('etc/containers/certs.d/r.example:5000/client.cert', 'C');
    await write('etc/containers/certs.d/r.example:5000/client.key', 'K');
    await write('home/.config/containers/certs.d/other/x.crt', 'O');
    expect(await load()).toEqual({
      'r.example:5000': { insecure: true, ca: 'A\nB', cert: 'C', key: 'K' },
      other: { ca: 'O' },
    });
  });

  it("takes the user's file instead of the system's, and drop-ins over both", async () => {
    const rule = (prefix: string, text: string): string => `[[registry]]\nprefix = "${prefix}"\n${text}\n`;
    await write('etc/containers/registries.conf', rule('system', 'blocked = true'));
    await write(
      'home/.config/containers/registries.conf',
      rule('user', 'blocked = true') + rule('both', 'blocked = true'),
    );
    await write('etc/containers/registries.conf.d/2.conf', rule('both', 'insecure = true'));
    await write('etc/containers/registries.conf.d/1.conf', rule('both', 'blocked = true'));
    expect(await load()).toEqual({ user: { blocked: true }, both: { insecure: true } });
    await write('named.conf', rule('named', 'insecure = true'));
    expect(await load({ CONTAINERS_REGISTRIES_CONF: join(root, 'named.conf') })).toEqual({ named: { insecure: true } });
  });
});

describe('parseRegistriesConf()', () => {
  const parse = (text: string) => parseRegistriesConf(text, 'r.conf');

  it('reads mirrors with what they serve', async () => {
    const text = `
[[registry]]
prefix = "docker.io"
location = "hub.example/all/"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m1.example"
insecure = true
[[registry.mirror]]
location = "m2.example/x"
pull-from-mirror = "tag-only"
`;
    expect(await parse(text)).toEqual({
      'docker.io': {
        location: 'hub.example/all',
        mirrors: [
          { url: 'm1.example', pullFrom: 'digest-only', insecure: true },
          { url: 'm2.example/x', pullFrom: 'tag-only' },
        ],
      },
    });
  });

  for (const [title, text] of [
    ['is no TOML', '[[registry]]\nlocation = '],
    ['has a rule without a name', '[[registry]]\ninsecure = true'],
    ['has a flag that is none', '[[registry]]\nlocation = "a"\ninsecure = "yes"'],
    ['has a mirror without a place', '[[registry]]\nlocation = "a"\n[[registry.mirror]]\ninsecure = true'],
    [
      'has an unknown kind of mirror',
      '[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "some"',
    ],
    ['has one rule that is no list', '[registry]\nlocation = "a"'],
  ] as const) {
    it(`refuses a file that ${title}, by its name`, async () => {
      await expect(parse(text)).rejects.toMatchObject({
        code: 'REGISTRY_CONFIG_INVALID',
        message: expect.stringContaining('r.conf'),
      });
    });
  }
});

describe('pullEndpoints()', () => {
  const places = (hosts: Hosts, reference: string) =>
    pullEndpoints(hosts, parseReference(reference)).map(({ kind, host, repository, scheme, insecure }) =>
      [kind, scheme ?? 'either', insecure ? 'insecure' : 'secure', `${host}/${repository}`].join(' '),
    );
  const digest = `sha256:${'a'.repeat(64)}`;

  it('goes to the host that Docker Hub really has', () => {
    expect(places({}, 'busybox')).toEqual(['origin https secure registry-1.docker.io/library/busybox']);
  });

  it('allows plain HTTP on loopback, and where it is configured', () => {
    expect(places({}, 'localhost:5000/a')).toEqual(['origin either insecure localhost:5000/a']);
    expect(places({}, '127.0.0.1:5000/a')).toEqual(['origin either insecure 127.0.0.1:5000/a']);
    expect(places({}, 'localhost.example/a')).toEqual(['origin https secure localhost.example/a']);
    expect(places({ 'r.example': { insecure: true } }, 'r.example/a')).toEqual(['origin either insecure r.example/a']);
  });

  it('asks mirrors first, with the rest of the name below their path', () => {
    const hosts: Hosts = {
      'docker.io': { mirrors: ['http://m1:5000', 'm2.example/hub/', { url: 'm3.example', pullFrom: 'digest-only' }] },
    };
    expect(places(hosts, 'busybox')).toEqual([
      'mirror http insecure m1:5000/library/busybox',
      'mirror https secure m2.example/hub/library/busybox',
      'origin https secure registry-1.docker.io/library/busybox',
    ]);
    expect(places(hosts, `busybox@${digest}`)).toHaveLength(4);
  });

  it('lets the longest key decide, by whole components', () => {
    const hosts: Hosts = {
      'r.example': { location: 'all.example' },
      'r.example/team': { location: 'team.example/x' },
      '*.wild.example': { location: 'tame.example' },
    };
    expect(places(hosts, 'r.example/team/app')).toEqual(['origin https secure team.example/x/app']);
    expect(places(hosts, 'r.example/teams/app')).toEqual(['origin https secure all.example/teams/app']);
    expect(places(hosts, 'a.wild.example/app')).toEqual(['origin https secure tame.example/app']);
  });

  it('refuses what is blocked', () => {
    const blocked = () => originEndpoint({ 'r.example/bad': { blocked: true } }, parseReference('r.example/bad/app'));
    expect(blocked).toThrow(expect.objectContaining({ code: 'REGISTRY_DENIED' }));
  });
});
