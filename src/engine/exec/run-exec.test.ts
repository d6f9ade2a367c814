import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Entry, treeFromEntries } from '../../archive/index.ts';
import { type BuildError, type BuildEvent, isBuildError } from '../../core/index.ts';
import { type ExecDevice, type ExecMount, SCRIPT_PATH } from '../../graph/index.ts';
import {
  type BenchRun,
  directoryItem,
  type EngineBench,
  fileItem,
  linkItem,
  openEngineBench,
} from './engine-bench.fixture.ts';
import { openSshProxy } from './ssh-proxy.ts';
import { missingForSteps, quietContext } from './step-bench.fixture.ts';

const missing = missingForSteps();
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(`RUN cannot be tested: ${missing}`);
if (missing !== undefined) console.warn(`RUN is not tested here: ${missing}`);

describe.skipIf(missing !== undefined)('runExec()', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await openEngineBench();
    expect(bench.executor.probe).toMatchObject({ kind: process.getuid?.() === 0 ? 'root' : 'userns' });
  });
  afterAll(() => bench.close());

  const failure = async (script: string, input: BenchRun = {}): Promise<BuildError> => {
    const error: unknown = await bench.run(script, input).catch((thrown: unknown) => thrown);
    if (isBuildError(error)) return error;
    throw error;
  };
  const mount = (value: Partial<ExecMount> & { readonly kind: ExecMount['kind'] }): ExecMount =>
    ({
      source: '/',
      readonly: false,
      required: false,
      sharing: 'shared',
      mode: 0o755,
      uid: 0,
      gid: 0,
      ...value,
    }) as unknown as ExecMount;
  const secret = (value: Partial<ExecMount>): ExecMount =>
    mount({ kind: 'secret', id: 's', mode: 0o400, ...value } as ExecMount);
  const withSecret = (bytes: Uint8Array | string | undefined): BenchRun['env'] & object => ({
    secrets: async () => (bytes === undefined ? undefined : Buffer.from(bytes)),
  });

  describe('failures', () => {
    it('reports the exit code, the command and the last lines of the output', async () => {
      const error = await failure('seq 1 100; echo oops >&2; exit 7');
      expect(error).toMatchObject({ code: 'STEP_FAILED', facts: { vertex: 'v', exitCode: 7 } });
      expect(error.message).toContain('seq 1 100');
      const tail = (error.facts as { readonly outputTail: readonly string[] }).outputTail;
      expect(tail).toHaveLength(20);
      expect(tail).toContain('oops');
    });
    it('reports the signal that ended the command', async () => {
      const error = await failure('kill -TERM $$');
      expect(error).toMatchObject({ facts: { exitCode: 143, signal: 'SIGTERM' } });
    });
    it('commits no layer', async () => {
      const before = await bench.store.area('snapshots').list();
      await failure('echo x > /x; false');
      expect(await bench.store.area('snapshots').list()).toEqual(before);
    });
    it('says that scratch has no shell', async () => {
      const error = await failure('true', { base: [] });
      expect(error).toMatchObject({ facts: { exitCode: 127 } });
      expect(error.hint).toContain('FROM scratch is empty');
    });
    it('names a program that the image lacks', async () => {
      const error = await failure('', { op: { args: ['node', 'x.js'] } });
      expect(error).toMatchObject({ facts: { exitCode: 127 } });
      expect(error.hint).toContain('no program node');
    });
    it('explains a file that is not executable, and a script whose interpreter is missing', async () => {
      const layer = await bench.layer([fileItem('a', 'x'), fileItem('b', '#!/nowhere\n', { mode: 0o755 })]);
      const base = [...bench.base, layer];
      expect((await failure('', { base, op: { args: ['/a'] } })).hint).toContain('not executable');
      expect((await failure('', { base, op: { args: ['/b'] } })).hint).toContain('interpreter');
    });
    it('recognises a program for another machine', async () => {
      const header = Buffer.alloc(64);
      header.write('\x7fELF\x02\x01\x01', 'latin1');
      header.writeUInt16LE(2, 16);
      header.writeUInt16LE(22, 18);
      const layer = await bench.layer([fileItem('s390', header.toString('latin1'), { mode: 0o755 })]);
      const error = await failure('', { base: [layer], op: { args: ['/s390'] } });
      expect(error.hint).toContain('made for s390x');
    });
    it('fails for a USER that does not exist', async () => {
      expect((await failure('true', { op: { user: 'ghost' } })).code).toBe('USER_NOT_FOUND');
    });
  });

  describe('layers', () => {
    it('gives the empty layer for a command that changes nothing', async () => {
      const { layer, names } = await bench.run('true');
      expect(layer.diffId).toBe('sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef');
      expect(names).toEqual([]);
    });
    it('holds what was made, and whiteouts for what was deleted', async () => {
      const first = await bench.run('mkdir /d; echo a > /d/a; echo b > /d/b; echo c > /c');
      const second = await bench.run('rm /d/a /c; echo new > /c2; echo x > /gone; rm /gone', { base: first.layers });
      expect(second.names).toEqual(['c2', 'd/', 'd/.wh.a', '.wh.c'].sort(byTarOrder(second.names)));
      const view = await bench.view(second.layers);
      expect(view.list('d')).toEqual(['b']);
      expect(view.stat('c')).toBeUndefined();
    });
    it('writes a deleted and re-made directory as whiteouts for what is gone, at every depth', async () => {
      const first = await bench.run('mkdir -p /d/s/t; echo 1 > /d/one; echo 2 > /d/s/two; echo 3 > /d/s/t/three');
      const second = await bench.run('rm -r /d; mkdir -p /d/s; echo 4 > /d/s/four', { base: first.layers });
      expect([...second.names].sort()).toEqual(['d/', 'd/.wh.one', 'd/s/', 'd/s/.wh.t', 'd/s/.wh.two', 'd/s/four']);
      const third = await bench.run('find /d', { base: second.layers });
      expect(third.stdout.trim().split('\n').sort()).toEqual(['/d', '/d/s', '/d/s/four']);
    });
    it('writes one entry where the type of a name changed', async () => {
      const first = await bench.run('mkdir /x; echo 1 > /x/f; echo 2 > /y');
      const second = await bench.run('rm -r /x; echo file > /x; rm /y; mkdir /y', { base: first.layers });
      expect([...second.names].sort()).toEqual(['x', 'y/']);
      const third = await bench.run('cat /x; ls -d /y/', { base: second.layers });
      expect(third.stdout).toBe('file\n/y/\n');
    });
    it('keeps owners, modes, links, special bits and names of any bytes', async () => {
      const { layers } = await bench.run(
        'mkdir /d; cd /d; echo x > a; ln a b; ln -s a l; chown 1000:1001 a; chmod 4755 a; mkfifo p 2>/dev/null; touch "$(printf "n\\351\\n")"',
      );
      const view = await bench.view(layers);
      expect(view.stat('d/a')).toMatchObject({ uid: 1000, gid: 1001, mode: 0o4755, sizeBytes: 2 });
      expect(view.linkId('d/a')).toBe(view.linkId('d/b'));
      expect(view.stat('d/l')).toMatchObject({ type: 'symlink', linkTarget: 'a' });
      expect(view.list('d')).toContain('n\xe9');
    });
    it('is the same for the same changes', async () => {
      const script = 'mkdir /d; echo x > /d/x; touch -d "2020-01-01 00:00:00" /d/x /d';
      expect((await bench.run(script)).layer).toEqual((await bench.run(script)).layer);
    });
    it('clamps times when asked', async () => {
      const { layers } = await bench.run('echo x > /x', { env: { clampMtime: 1000 } });
      expect((await bench.view(layers)).stat('x')?.mtime).toBe(1000);
    });
    it('holds nothing of the scaffolding, and leaves the times of directories alone', async () => {
      const layer = await bench.layer([
        directoryItem('etc', { mtime: 1_500_000_000 }),
        directoryItem('run', { mtime: 7 }),
      ]);
      const { names, layers } = await bench.run('cat /etc/hosts /run/secrets/s >/dev/null; ls /cache /scratch', {
        base: [...bench.base, layer],
        mounts: [
          secret({}),
          mount({ kind: 'cache', id: 'scaffold', target: '/cache' } as ExecMount),
          mount({ kind: 'tmpfs', target: '/scratch/deep' } as ExecMount),
        ],
        env: withSecret('x'),
      });
      expect(names).toEqual([]);
      expect((await bench.view(layers)).stat('run')?.mtime).toBe(7);
    });
    it('takes away mount points that an image with whiteouts made necessary, and restores times', async () => {
      const first = await bench.run('mkdir -p /deep/er; touch /etc/hosts.own');
      const items = [{ whiteout: 'etc/hosts' }, { whiteout: 'deep/er' }, directoryItem('deep', { mtime: 77 })];
      const hosts = await bench.layer([fileItem('etc/hosts', 'image'), directoryItem('deep/er')]);
      const base = [...first.layers, hosts, await bench.layer(items)];
      const { names, layers } = await bench.run('ls /etc/hosts /deep/er', {
        base,
        mounts: [mount({ kind: 'tmpfs', target: '/deep/er' } as ExecMount)],
      });
      expect(names.filter((name) => !name.endsWith('/'))).toEqual([]);
      const view = await bench.view(layers);
      expect([view.stat('deep')?.mtime, view.stat('deep/er'), view.stat('etc/hosts')]).toEqual([
        77,
        undefined,
        undefined,
      ]);
    });
  });

  describe('environment', () => {
    it('is that of the config, with HOME from passwd, a PATH and a fixed host name', async () => {
      const { stdout } = await bench.run('env | sort; hostname', { op: { user: 'app', env: ['A=1', 'B=two words'] } });
      expect(stdout.split('\n').filter((line) => !/^(SHLVL|PWD)=/.test(line))).toEqual([
        ...['A=1', 'B=two words', 'HOME=/home/app', 'HOSTNAME=buildkitsandbox'],
        ...['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'buildkitsandbox', ''],
      ]);
    });
    it('keeps a HOME of the config, and lets it win over proxies', async () => {
      const op = { env: ['HOME=/h', 'http_proxy=own'], proxyEnv: ['http_proxy=given', 'https_proxy=given'] };
      const { stdout } = await bench.run('echo $HOME $http_proxy $https_proxy', { op });
      expect(stdout).toBe('/h own given\n');
    });
    it('runs as the USER with its groups', async () => {
      expect((await bench.run('id -u; id -g; id -G', { op: { user: 'app' } })).stdout).toBe('1000\n1001\n1001 44 45\n');
      expect((await bench.run('id -G', { op: { user: '1000:1000' } })).stdout).toBe('1000\n');
    });
    it('makes a working directory that is missing', async () => {
      const { stdout, layers } = await bench.run('pwd', { op: { cwd: '/srv/app dir' } });
      expect(stdout).toBe('/srv/app dir\n');
      expect((await bench.view(layers)).stat('srv/app dir')).toMatchObject({ type: 'directory', mode: 0o755, uid: 0 });
    });
    it('resolves names from users that an earlier step made', async () => {
      const { layers } = await bench.run('echo "late:x:2000:2001::/home/late:/bin/sh" >> /etc/passwd');
      expect((await bench.run('id -u; echo $HOME', { base: layers, op: { user: 'late' } })).stdout).toBe(
        '2000\n/home/late\n',
      );
    });
    it('shows added hosts to the step only', async () => {
      const op = { extraHosts: [{ name: 'db', address: '10.0.0.9' }] };
      const { stdout, layers } = await bench.run(
        'grep "db$" /etc/hosts; echo x >> /etc/hosts; echo y >> /etc/resolv.conf',
        { op },
      );
      expect(stdout).toBe('10.0.0.9\tdb\n');
      expect((await bench.view(layers)).stat('etc/hosts')).toBeUndefined();
    });
    it('runs a heredoc script as a file', async () => {
      const { stdout, names } = await bench.run('', { op: { args: [SCRIPT_PATH], script: '#!/bin/cat\nhello $x\n' } });
      expect(stdout).toBe('#!/bin/cat\nhello $x\n');
      expect(names).toEqual([]);
    });
  });

  describe('programs', () => {
    it('runs one whose name looks like a variable, as the user, where the step stands, with its environment', async () => {
      const script = fileItem('bin/a=b', '#!/bin/sh\npwd; id -u; echo "$1 $V ${a-unset}"', { mode: 0o755 });
      const base = [...bench.base, await bench.layer([script])];
      const op = { args: ['a=b', 'x'], user: 'app', cwd: '/tmp', env: ['PATH=/bin', 'V=v'] };
      expect((await bench.run('', { base, op })).stdout).toBe('/tmp\n1000\nx v unset\n');
    });
    it('says which program the image lacks, in no words of ours', async () => {
      const error = await failure('', { op: { args: ['/bin/none', 'x'] } });
      expect(error).toMatchObject({ code: 'STEP_FAILED', facts: { exitCode: 127, outputTail: [] } });
      expect(error.message).toBe(
        'The command "/bin/none x" failed with exit code 127: there is no /bin/none in the image.',
      );
      expect(error.hint).toContain('install or COPY it');
    });
  });

  describe('devices', () => {
    const node = ['/dev/fuse', '/dev/net/tun', '/dev/kvm', '/dev/loop-control', '/dev/ptp0'].find((path) =>
      existsSync(path),
    );
    if (node === undefined) console.warn('SKIPPED devices of steps: this host has none that could be given');
    const asking = (device: Partial<ExecDevice>): BenchRun => ({
      op: { devices: [{ name: node ?? '', required: true, granted: true, ...device }] },
    });

    it.skipIf(node === undefined)('are in /dev of the step, and only of that', async () => {
      expect((await bench.run(`stat -c %F ${node}`, asking({}))).stdout).toBe('character special file\n');
      const { stdout, names } = await bench.run(`test -e ${node} || echo none`);
      expect([stdout, names]).toEqual(['none\n', []]);
    });
    it.skipIf(node === undefined)('come with the variables, mounts and groups of their description', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'zlayer-cdi-'));
      writeFileSync(join(directory, 'library'), 'driver');
      const containerEdits = {
        deviceNodes: [{ path: '/dev/acme0', hostPath: node }],
        env: ['ACME=one'],
        mounts: [{ hostPath: join(directory, 'library'), containerPath: '/opt/lib/acme', options: ['ro'] }],
        additionalGids: [4242],
      };
      const spec = { cdiVersion: '0.6.0', kind: 'acme.com/gpu', devices: [{ name: '0', containerEdits }] };
      writeFileSync(join(directory, 'acme.json'), JSON.stringify(spec));
      const script =
        'stat -c %F /dev/acme0; echo $ACME; cat /opt/lib/acme; echo; id -G; echo > /opt/lib/acme || echo ro';
      const input = { ...asking({ name: 'acme.com/gpu=0' }), env: { cdiDirectories: [directory] } };
      const { stdout, names } = await bench.run(script, input);
      // Root is in the group bin (1) of the image.
      expect(stdout).toBe('character special file\none\ndriver\n0 1 4242\nro\n');
      expect(names).toEqual([]);
      rmSync(directory, { recursive: true });
    });
    it('are left out with a warning where they are missing, unless required', async () => {
      const events: BuildEvent[] = [];
      const context = { ...quietContext, emit: (event: BuildEvent) => void events.push(event) };
      const missing = asking({ name: 'acme.com/none=0', required: false });
      expect((await bench.run('echo runs', { ...missing, context })).stdout).toBe('runs\n');
      expect(events).toMatchObject([{ kind: 'warning', code: 'DeviceMissing' }]);
      const error = await failure('true', asking({ name: 'acme.com/none=0' }));
      expect(error).toMatchObject({ code: 'HOST_LACKS', message: expect.stringContaining('acme.com/none=0') });
    });
    it.skipIf(node === undefined)('are refused where the request does not grant them', async () => {
      const error = await failure('true', asking({ granted: false }));
      expect(error).toMatchObject({
        code: 'DOCKERFILE_INVALID',
        hint: expect.stringContaining(`--allow device=${node}`),
      });
    });
  });

  describe('bind mounts', () => {
    it('shows a path of another stage, read-only', async () => {
      const layer = await bench.layer([directoryItem('out'), fileItem('out/f', 'content'), linkItem('link', '/out')]);
      const input = { inputs: [{ kind: 'layers', layers: [layer] }] as const };
      const bind = mount({ kind: 'bind', input: 1, source: '/link', target: '/mnt', readonly: true } as ExecMount);
      const { stdout, names } = await bench.run('cat /mnt/f; echo x > /mnt/g || echo denied', {
        ...input,
        mounts: [bind],
      });
      expect(stdout).toBe('contentdenied\n');
      expect(names).toEqual([]);
    });
    it('throws writes away', async () => {
      const layer = await bench.layer([fileItem('out/f', 'content')]);
      const bind = mount({ kind: 'bind', input: 1, source: '/out', target: '/mnt' } as ExecMount);
      const input: BenchRun = { inputs: [{ kind: 'layers', layers: [layer] }], mounts: [bind] };
      expect((await bench.run('echo new > /mnt/f; cat /mnt/f', input)).stdout).toBe('new\n');
      expect((await bench.run('cat /mnt/f', input)).stdout).toBe('content');
    });
    it('mounts a single file, also of a context, which belongs to root there', async () => {
      const tree = treeFromEntries([{ entry: { ...fileEntry('src/f'), uid: 1234 }, content: bytes('hi') }]);
      const input: BenchRun = { inputs: [{ kind: 'tree', tree, ownerless: true }] };
      const file = mount({ kind: 'bind', input: 1, source: '/src/f', target: '/a/b/f', readonly: true } as ExecMount);
      const whole = mount({ kind: 'bind', input: 1, source: '/', target: '/ctx', readonly: true } as ExecMount);
      const { stdout } = await bench.run('cat /a/b/f; stat -c " %u %F" /a/b/f; cat /ctx/src/f', {
        ...input,
        mounts: [file, whole],
      });
      expect(stdout).toBe('hi 0 regular file\nhi');
    });
    it('names a source that is missing', async () => {
      const bind = mount({ kind: 'bind', input: 1, source: '/nowhere', target: '/mnt' } as ExecMount);
      const error = await failure('true', { inputs: [{ kind: 'layers', layers: [] }], mounts: [bind] });
      expect(error).toMatchObject({ code: 'SOURCE_NOT_FOUND', facts: { path: 'nowhere' } });
    });
    it('refuses to replace the root', async () => {
      const error = await failure('true', { mounts: [mount({ kind: 'tmpfs', target: '/' } as ExecMount)] });
      expect(error.code).toBe('DOCKERFILE_INVALID');
    });
    it('follows the symlinks of the image to the target, never of the host', async () => {
      const layer = await bench.layer([linkItem('out', '/../../../real')]);
      const tmpfs = mount({ kind: 'tmpfs', target: '/out/in' } as ExecMount);
      const { stdout } = await bench.run('mount | grep -c " /real/in "', {
        base: [...bench.base, layer],
        mounts: [tmpfs],
      });
      expect(stdout).toBe('1\n');
    });
    it('nests mounts, also in one that is read-only', async () => {
      const layer = await bench.layer([fileItem('app/package.json', '{}')]);
      const mounts = [
        mount({ kind: 'cache', id: 'nested', target: '/app/node_modules' } as ExecMount),
        mount({ kind: 'bind', input: 1, source: '/app', target: '/app', readonly: true } as ExecMount),
      ];
      const input: BenchRun = { inputs: [{ kind: 'layers', layers: [layer] }], mounts };
      const script = 'ls /app; echo x > /app/node_modules/m; touch /app/no 2>/dev/null || echo ro; ls /dev';
      const { stdout, names } = await bench.run(script, input);
      expect(stdout).toMatch(/^node_modules\npackage.json\nro\n/);
      expect(names).toEqual([]);
    });
    it('does not let a link in a shared cache lead a nested mount out of the step', async () => {
      const cache = mount({ kind: 'cache', id: 'evil', target: '/c' } as ExecMount);
      const outside = mkdtempSync(join(tmpdir(), 'zlayer-outside-'));
      await bench.run(`ln -s ${outside} /c/x`, { mounts: [cache] });
      const tmpfs = mount({ kind: 'tmpfs', target: '/c/x/made' } as ExecMount);
      await bench.run('true', { mounts: [cache, tmpfs] }).catch(() => undefined);
      expect(readdirSync(outside)).toEqual([]);
      rmSync(outside, { recursive: true });
    });
  });

  describe('cache mounts', () => {
    const cache = (value: Partial<ExecMount>): ExecMount =>
      mount({ kind: 'cache', target: '/c', ...value } as ExecMount);
    it('keeps content by id, outside of the layer', async () => {
      const { names } = await bench.run('echo 1 > /c/f', { mounts: [cache({ id: 'keep' })] });
      expect(names).toEqual([]);
      const again = await bench.run('cat /other/f', { mounts: [cache({ id: 'keep', target: '/other' })] });
      expect(again.stdout).toBe('1\n');
      expect((await bench.run('ls /c', { mounts: [cache({ id: 'another' })] })).stdout).toBe('');
    });
    it('applies owner and mode when it is made, and only then', async () => {
      const script = 'stat -c "%u %g %a" /c';
      const made = await bench.run(script, { mounts: [cache({ id: 'own', uid: 1000, gid: 1001, mode: 0o700 })] });
      const later = await bench.run(script, { mounts: [cache({ id: 'own', uid: 5 })] });
      expect([made.stdout, later.stdout]).toEqual(['1000 1001 700\n', '1000 1001 700\n']);
    });
    it('is seeded once', async () => {
      const seed = async (text: string): Promise<BenchRun> => ({
        inputs: [{ kind: 'layers', layers: [await bench.layer([fileItem('seed/f', text, { uid: 7 })])] }],
        mounts: [cache({ id: 'seeded', input: 1, source: '/seed' } as Partial<ExecMount>)],
      });
      expect((await bench.run('cat /c/f; stat -c %u /c/f', await seed('one\n'))).stdout).toBe('one\n7\n');
      expect((await bench.run('cat /c/f', await seed('two\n'))).stdout).toBe('one\n');
    });
    it('runs users of a locked cache one after the other', async () => {
      const mounts = [cache({ id: 'locked', sharing: 'locked' })];
      const script = 'n=$(cat /c/n 2>/dev/null || echo 0); sleep 0.05; echo $((n+1)) > /c/n';
      await Promise.all([1, 2, 3].map(() => bench.run(script, { mounts })));
      expect((await bench.run('cat /c/n', { mounts })).stdout).toBe('3\n');
    });
    it('gives each user of a private cache its own, and an idle one again later', async () => {
      const mounts = [cache({ id: 'private', sharing: 'private' })];
      const steps = await Promise.all([1, 2].map((n) => bench.run(`ls /c; echo ${n} > /c/n$$; sleep 0.2`, { mounts })));
      expect(steps.map(({ stdout }) => stdout)).toEqual(['', '']);
      expect((await bench.run('ls /c | wc -l', { mounts })).stdout.trim()).toBe('1');
    });
  });

  describe('secrets', () => {
    it('are byte-exact files that only the owner may read', async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
      const script = 'od -An -v -tx1 /run/secrets/s | tr -d " \\n"; stat -c " %a %u" /run/secrets/s';
      const { stdout } = await bench.run(script, { mounts: [secret({})], env: withSecret(bytes) });
      expect(stdout).toBe(`${Buffer.from(bytes).toString('hex')} 400 0\n`);
    });
    it('are refused to another USER, unless it owns them', async () => {
      const input = (uid: number): BenchRun => ({
        op: { user: 'app' },
        mounts: [secret({ uid })],
        env: withSecret('top'),
      });
      expect((await bench.run('cat /run/secrets/s || echo denied', input(0))).stdout).toBe('denied\n');
      expect((await bench.run('cat /run/secrets/s', input(1000))).stdout).toBe('top');
    });
    it('can be a variable, a file, or both', async () => {
      const env = withSecret('top secret');
      const both = await bench.run('echo "$T"; cat /x', { mounts: [secret({ target: '/x', env: 'T' })], env });
      expect(both.stdout).toBe('top secret\ntop secret');
      const variable = await bench.run('echo "$T"; ls /run/secrets 2>&1 || true', {
        mounts: [secret({ env: 'T' })],
        env,
      });
      expect(variable.stdout).toContain('top secret\nls: ');
    });
    it('may be missing unless they are required: then there is no file, and an empty variable', async () => {
      const mounts = [secret({ target: '/x', env: 'T' })];
      expect((await bench.run('ls /x 2>/dev/null; echo "[${T-unset}]"', { mounts })).stdout).toBe('[]\n');
      expect((await failure('true', { mounts: [secret({ required: true })] })).code).toBe('SECRET_MISSING');
    });
    it('and the environment never stand in an argument list, nor stay in the store', async () => {
      const token = 'zlayer-unfindable-token';
      let seen = '';
      const context = { ...quietContext, emit: () => undefined };
      const looking = setInterval(() => {
        seen += spawnSync('ps', ['-eww', '-o', 'args']).stdout.toString();
      }, 5);
      await bench.run('sleep 0.3', {
        mounts: [secret({ env: 'T' })],
        env: withSecret(token),
        op: { env: [`ARG=${token}`] },
        context,
      });
      clearInterval(looking);
      expect(seen).toContain('sleep 0.3');
      expect(seen).not.toContain(token);
      const found = spawnSync('grep', ['-rl', token, bench.store.root]).stdout.toString();
      expect(found).toBe('');
    });
  });

  describe('ssh', () => {
    it('gives the step a socket that its USER may write to, and nobody else', async () => {
      const ssh = mount({
        ...{ kind: 'ssh', id: 'default', target: '/run/agent', mode: 0o600, uid: 1000, gid: 1001 },
      } as ExecMount);
      const input: BenchRun = { mounts: [ssh], env: { sshAgents: new Map([['default', '/nowhere/agent']]) } };
      const script =
        'echo $SSH_AUTH_SOCK; stat -c "%F %a %u" $SSH_AUTH_SOCK; test -w $SSH_AUTH_SOCK && echo open || echo closed';
      const own = await bench.run(script, { ...input, op: { user: 'app' } });
      expect(own.stdout).toBe('/run/agent\nsocket 600 1000\nopen\n');
      expect(own.names).toEqual([]);
      expect((await bench.run(script, { ...input, op: { user: '77' } })).stdout).toContain('closed');
    });
    it('passes on what the agent says', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'zlayer-agent-'));
      const agent = createServer((socket) => socket.on('data', (data) => socket.end(`agent:${data}`)));
      await new Promise<void>((resolve) => agent.listen(join(directory, 'agent'), resolve));
      const owner = { mode: 0o600, uid: 0, gid: 0 };
      const proxy = await openSshProxy('root', { agent: join(directory, 'agent'), directory, name: 'proxy', ...owner });
      const answer = await new Promise<string>((resolve) => {
        const client = connect(proxy.path, () => client.write('hi'));
        client.on('data', (data) => resolve(String(data)));
      });
      await proxy.close();
      agent.close();
      expect([answer, existsSync(proxy.path)]).toEqual(['agent:hi', false]);
      rmSync(directory, { recursive: true });
    });
    it('runs without an agent unless it is required', async () => {
      const ssh = mount({ kind: 'ssh', id: 'default', target: '/run/agent' } as ExecMount);
      expect((await bench.run('echo "[$SSH_AUTH_SOCK]"', { mounts: [ssh] })).stdout).toBe('[]\n');
      expect((await failure('true', { mounts: [{ ...ssh, required: true } as ExecMount] })).code).toBe('SSH_MISSING');
    });
  });

  it('leaves no temporary files and no mounts behind', async () => {
    const mounts = [mount({ kind: 'cache', id: 'left', target: '/c' } as ExecMount)];
    await bench.run('echo x > /x', { mounts });
    await failure('false', { mounts });
    const left = spawnSync('find', [join(bench.store.root, 'zlayer', 'tmp'), '-maxdepth', '2', '-name', 'step-*']);
    expect(left.stdout.toString()).toBe('');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(bench.store.root);
    expect(existsSync(bench.store.root)).toBe(true);
  });
});

function byTarOrder(names: readonly string[]): (a: string, b: string) => number {
  return (a, b) => names.indexOf(a) - names.indexOf(b);
}

function fileEntry(path: string): Entry {
  return { path, type: 'file', mode: 0o644, uid: 0, gid: 0, sizeBytes: 2, mtime: 0 };
}

function bytes(text: string): { readonly kind: 'bytes'; readonly bytes: Uint8Array } {
  return { kind: 'bytes', bytes: Buffer.from(text) };
}
