import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILDAH_PROGRAMS, createBuildah } from '../support/buildah.ts';
import { IS_ROOT, lacksPrograms } from '../support/host.ts';
import { type ProgramResult, runProgram } from '../support/process.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { createZlayer } from '../support/zlayer.ts';

const isPossible = IS_ROOT && !lacksPrograms('isolation', [...BUILDAH_PROGRAMS, 'busybox', 'setpriv']);
if (!IS_ROOT) process.stderr.write('SKIPPED isolation: only root can make the hosts that it is about.\n');

const home = makeTempDir('isolation');
const context = join(home, 'context');

/** As in a container: files of /proc are hidden, others cannot be written to. */
const CONTAINER = [
  'for name in kcore keys timer_list; do [ ! -e /proc/$name ] || mount --bind /dev/null /proc/$name; done',
  'mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys',
].join('; ');

/** What a container of docker or Kubernetes has unless it asks for more. */
const CAPABILITIES =
  '-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap';

beforeAll(() => {
  if (!isPossible) return;
  for (const name of ['lower', 'upper', 'work', 'merged', 'context']) mkdirSync(join(home, name));
  const dirs = ['lower', 'upper', 'work'].map((name) => `${name}dir=${join(home, name)}`).join();
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', dirs, join(home, 'merged')]);
  copyFileSync('/bin/busybox', join(context, 'busybox'));
});
afterAll(() => removeTempDir(home));

/** Runs `zlayer` in a mount namespace of its own, after what `prepare` does there. */
function runIn(prepare: string, dataDir: string, args: readonly string[]): Promise<ProgramResult> {
  const { argv, env } = createZlayer(dataDir);
  const storage = `overlay@${join(home, 'graph')}+${join(home, 'run')}`;
  return runProgram(
    ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', `${prepare}; exec "$@"`, 'sh']
      .concat(prepare === CONTAINER ? ['setpriv', '--bounding-set', CAPABILITIES, '--inh-caps', '-all'] : [])
      .concat(argv, args),
    { env: { ...env, ...createBuildah(home).env, ZLAYER_BUILDAH_STORAGE: storage }, timeoutMs: 60_000 },
  );
}

describe.runIf(isPossible)('a host on which our engine cannot isolate steps', () => {
  const hideProgram = 'mount --bind /dev/null "$(command -v setpriv)"';
  const dataDir = join(home, 'store');

  it('builds with buildah, says why, and finds the image there afterwards', async () => {
    writeFileSync(
      join(context, 'Dockerfile'),
      'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "true"]\n',
    );
    const { stderr, exitCode } = await runIn(hideProgram, dataDir, ['build', '-t', 'passed-over', context]);
    expect(stderr).toMatch(/! buildah-cli builds, because native cannot: As root: not installed: setpriv/);
    expect(exitCode).toBe(0);
    const images = await runIn(hideProgram, dataDir, ['images', '--format', 'json']);
    expect(JSON.parse(images.stdout)).toMatchObject([{ repository: 'passed-over' }]);
  });

  it('stays with our engine when that is asked for, and where no step runs', async () => {
    const named = await runIn(hideProgram, join(home, 'named'), ['build', '--backend', 'native', context]);
    expect(named.exitCode).not.toBe(0);
    expect(named.stderr).toContain('[HOST_LACKS]');
    writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY busybox /bin/busybox\n');
    const copied = await runIn(hideProgram, join(home, 'copied'), ['build', context]);
    expect(copied.stderr).not.toContain('buildah');
    expect(copied.exitCode).toBe(0);
  });
});

describe.runIf(isPossible)('a container with the capabilities of any other, and its store in its own root', () => {
  it('runs steps as several users, hides the container from them, and keeps what they did', async () => {
    const sh = (script: string): string => `RUN ["/bin/busybox", "sh", "-ec", ${JSON.stringify(script)}]`;
    const check = [
      "ls -ln /d | awk '{ print $1, $3, $4, $9 }' | grep f",
      'grep -l ZLAYER_DATA_DIR /proc/[0-9]*/environ 2> /dev/null && exit 9; echo hidden',
      'touch /proc/sys/kernel/hostname 2>/dev/null && exit 8; mount -t tmpfs none /d 2>/dev/null && exit 7; id -u',
    ].join('; ');
    writeFileSync(
      join(context, 'Dockerfile'),
      [
        'FROM scratch',
        'COPY busybox /bin/busybox',
        sh('/bin/busybox --install -s /bin; mkdir -m 750 /d; echo x > /d/f; chown 1000:1001 /d/f; touch /gone'),
        sh(`rm /gone; chmod 4711 /d/f; ${check}`),
        'USER 1000:1001',
        sh('id -u; id -g; ls /gone 2>/dev/null && exit 6; true'),
        '',
      ].join('\n'),
    );
    const args = ['build', '--progress', 'plain', '-o', `type=tar,dest=${join(home, 'out.tar')}`, context];
    const { stderr, exitCode } = await runIn(CONTAINER, join(home, 'merged/data'), args);
    expect(stderr).toMatch(/-rws--x--x 1000 1001 \/?f/);
    expect(stderr).toMatch(/ hidden\n.* 0\n/);
    expect(stderr).toMatch(/ 1000\n.* 1001\n/);
    expect(exitCode).toBe(0);
    const listed = execFileSync('tar', ['-tvf', join(home, 'out.tar'), '--numeric-owner'], { encoding: 'utf8' });
    expect(listed).toMatch(/^-rws--x--x 1000\/1001 .* d\/f$/m);
    expect(listed).not.toContain('gone');
  });
});
