import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExecutor } from './create-executor.ts';
import { missingForSteps, openStepBench, quietContext, type StepBench, stepRequest } from './step-bench.fixture.ts';
import { findProcesses } from './step-processes.fixture.ts';

const missing = missingForSteps();
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(`steps cannot be tested: ${missing}`);

const DOCKER_CAPABILITIES = '00000000a80425fb';

describe.skipIf(missing !== undefined)('Executor.run()', () => {
  let bench: StepBench;
  beforeAll(async () => {
    bench = await openStepBench();
  });
  afterAll(() => bench.close());

  const out = async (script: string, options: Parameters<StepBench['sh']>[1] = {}): Promise<string> =>
    (await bench.sh(script, options)).stdout.trim();

  it('gives docker’s capabilities, without forbidding setuid programs', async () => {
    const text = await out('grep -E "Cap|NoNew" /proc/self/status | tr -d "\\t" | tr "\\n" " "');
    expect(text).toBe(
      `CapInh:0000000000000000 CapPrm:${DOCKER_CAPABILITIES} CapEff:${DOCKER_CAPABILITIES} CapBnd:${DOCKER_CAPABILITIES} CapAmb:0000000000000000 NoNewPrivs:0`,
    );
  });
  it('keeps all capabilities where security is insecure', async () => {
    const all = await out('grep CapBnd /proc/self/status', { security: 'insecure' });
    expect(BigInt(`0x${all.split('\t')[1]}`)).toBeGreaterThan(BigInt(`0x${DOCKER_CAPABILITIES}`));
  });
  it('forbids mounting, and writing to the kernel’s settings', async () => {
    const script =
      'mount -t tmpfs x /tmp 2>/dev/null || echo 1; echo 1 > /proc/sys/vm/swappiness || echo 2; echo b > /proc/sysrq-trigger || echo 3; touch /sys/x || echo 4';
    expect(await out(script)).toBe('1\n2\n3\n4');
  });
  it('hides what tells about the host', async () => {
    expect(await out('cat /proc/keys /proc/timer_list 2>/dev/null; ls /sys/firmware; ls /proc/acpi 2>/dev/null')).toBe(
      '',
    );
    expect(await out('ls /sys/fs/cgroup')).toBe('');
  });
  it('has its own devices, terminals, shared memory and queues', async () => {
    const text = await out('mount | grep " /dev" | sort | while read a b at c t r; do echo $at $t; done');
    expect(text.split('\n')).toEqual(
      expect.arrayContaining(['/dev tmpfs', '/dev/mqueue mqueue', '/dev/pts devpts', '/dev/shm tmpfs']),
    );
    const listed = (await out('ls /dev')).split('\n');
    expect(listed).toEqual(expect.arrayContaining(['fd', 'full', 'null', 'ptmx', 'random', 'stdout', 'tty', 'zero']));
    expect(await out('echo x > /dev/null; head -c 2 /dev/zero | od -An -tx1')).toBe('00 00');
  });
  it('sizes shared memory', async () => {
    expect(await out('mount | grep -o "/dev/shm .*size=[0-9]*k"', { shmSizeBytes: 1 << 20 })).toContain('size=1024k');
  });
  it('gives input at its end, a mask of 022, and outputs that can be opened anew', async () => {
    const { stdout, stderr } = await bench.sh('cat; umask; echo out > /dev/stdout; echo err > /dev/stderr', {
      user: { uid: 1000, gid: 1000, groups: [], home: '/' },
    });
    expect([stdout, stderr]).toEqual(['0022\nout\n', 'err\n']);
  });
  it('passes no descriptors on, not even those that this process inherited', async () => {
    const text = await out('for n in /proc/self/fd/*; do case $n in */[0-2]) ;; *) readlink $n;; esac; done');
    expect(text.split('\n').filter((target) => target !== '/dev/null' && target !== '')).toEqual([]);
  });
  it.each([
    ['the code of the command', ['/bin/sh', '-c', 'exit 42'], {}, { exitCode: 42 }],
    ['128 + N after a signal', ['/bin/sh', '-c', 'kill -KILL $$'], {}, { exitCode: 137, signal: 'SIGKILL' }],
    ['127 for a program that does not exist', ['/nope'], {}, { exitCode: 127 }],
    ['126 for one that cannot be executed', ['/bin'], {}, { exitCode: 126 }],
    ['125 for a directory that cannot be entered', ['/bin/true'], { cwd: '/bin/busybox' }, { exitCode: 125 }],
  ])('reports %s', async (_, args, options, exit) => {
    const result = await bench.run(args, options).catch((error: Error) => ({ exit: error.message }));
    if (typeof result.exit === 'string') expect(result.exit).toContain('cannot create directory');
    else expect(result.exit).toMatchObject(exit);
  });
  it('reports 137 and SIGKILL where the kernel kills process 1, as it does without memory', async () => {
    const killFirst = (): void => {
      const processes = findProcesses(bench);
      const first = processes.find(({ namespacePids }) => namespacePids.length > 1 && namespacePids.at(-1) === 1);
      if (first !== undefined) process.kill(first.pid, 'SIGKILL');
    };
    const { exit } = await bench.sh('echo up; sleep 5', { onOutput: killFirst });
    expect(exit).toEqual({ exitCode: 137, signal: 'SIGKILL', madePaths: [] });
  });
  it('reports 127 also for a missing program that looks like a variable', async () => {
    expect((await bench.run(['a=b'])).exit).toMatchObject({ exitCode: 127 });
  });
  it('reaps orphans, and lets the command get the signals that process 1 would not', async () => {
    const { stdout, exit } = await bench.sh('(sleep 0.05 & ) ; sleep 0.2; ps | grep -c "[Z] "; kill -TERM $$');
    expect([stdout.trim(), exit.exitCode]).toEqual(['0', 143]);
  });
  it('ends what the command left running', async () => {
    const { exit } = await bench.sh('setsid sleep 4321 >/dev/null 2>&1 &');
    expect(exit.exitCode).toBe(0);
    expect(processesWith('sleep 4321')).toBe(0);
  });
  it('keeps loopback without a network, and hides the host’s interfaces', async () => {
    const text = await out('ip addr', { network: 'none' });
    expect(text).toContain('127.0.0.1/8');
    expect(text.match(/^\d+: /gm)).toHaveLength(1);
  });
  it('applies limits, lowered to what the host allows', async () => {
    const ulimits = [
      { name: 'nofile', soft: 123, hard: 456 },
      { name: 'nproc', soft: 1e9, hard: 1e9 },
    ];
    expect(await out('ulimit -n; ulimit -Hn; test $(ulimit -u) && echo ok', { ulimits })).toBe('123\n456\nok');
    await expect(bench.sh('true', { ulimits: [{ name: 'files', soft: 1, hard: 1 }] })).rejects.toMatchObject({
      code: 'USAGE',
    });
  });
  it('passes every variable and argument exactly, also those that a loader would act upon', async () => {
    const value = 'ā \u0081 \'q\' "d" $x `y` \\ \n tab\t*';
    const env = [`V=${value}`, 'LD_PRELOAD=/none.so', 'IFS=,', 'a.b=dots', 'EMPTY=', 'PATH=/bin'];
    const given = await bench.run(['/bin/cat', '/proc/self/environ'], { env });
    const variables = Buffer.from(given.stdout, 'latin1').toString().split('\0').slice(0, -1);
    expect([...variables].sort()).toEqual([...env].sort());
    const argument = await bench.run(['/bin/echo', '-n', value, '--', '']);
    expect(Buffer.from(argument.stdout, 'latin1').toString()).toBe(`${value} -- `);
  });
  it('cannot reach the host’s files from its root, nor the tools that started it for writing', async () => {
    const text = await out('cd /; ls ../../../../; ls /proc/1/root/ 2>&1; (echo x > /proc/1/exe) 2>&1 || true');
    expect(text.split('\n')).not.toContain('home');
    expect(text).toMatch(/ermission denied/);
  });
  it('stands on 499 layers, and refuses more', async () => {
    const deep = join(bench.directory, 'deep');
    const lowerDirs = [bench.busybox];
    for (let layer = 1; layer < 499; layer += 1) {
      mkdirSync(join(deep, `layer-${layer}`), { recursive: true });
      writeFileSync(join(deep, `layer-${layer}`, `f${layer}`), '');
      lowerDirs.push(join(deep, `layer-${layer}`));
    }
    expect(await out('ls / | grep -c "^f"', { lowerDirs })).toBe('498');
    await expect(bench.sh('true', { lowerDirs: [...lowerDirs, deep] })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
  it('runs in an empty root', async () => {
    expect((await bench.run(['/x'], { lowerDirs: [] })).exit.exitCode).toBe(127);
  });
  it('refuses an image whose /dev leads elsewhere', async () => {
    const layer = join(bench.directory, 'linked');
    mkdirSync(layer);
    spawnSync('ln', ['-s', '/etc', join(layer, 'dev')]);
    await expect(bench.sh('true', { lowerDirs: [bench.busybox, layer] })).rejects.toThrow('symbolic link');
  });

  describe('when it is cancelled', () => {
    it('ends the whole tree at once, also what left the session', async () => {
      const controller = new AbortController();
      const home = await bench.makeTempDir('cancel');
      let run: Promise<unknown> | undefined;
      const started = new Promise<void>((resolve) => {
        const request = stepRequest(home, {
          lowerDirs: [bench.busybox],
          args: ['/bin/sh', '-c', 'setsid sleep 5432 >/dev/null & echo up; sleep 5433'],
          onOutput: () => resolve(),
        });
        run = bench.executor.run(request, { ...quietContext, signal: controller.signal });
      });
      run?.catch(() => undefined);
      await started;
      const before = performance.now();
      controller.abort();
      await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(performance.now() - before).toBeLessThan(1000);
      expect(processesWith('sleep 543')).toBe(0);
    });
    it('does not start for a signal that is aborted already', async () => {
      const home = await bench.makeTempDir('aborted');
      const request = stepRequest(home, { lowerDirs: [bench.busybox], args: ['/bin/touch', '/x'] });
      const run = bench.executor.run(request, { ...quietContext, signal: AbortSignal.abort() });
      await expect(run).rejects.toMatchObject({ code: 'CANCELLED' });
      expect(readdirSync(request.upperDir)).toEqual([]);
    });
  });

  describe('descriptors left open by whoever started us', () => {
    it('are /dev/null in the step', async () => {
      const secret = join(bench.directory, 'leak');
      writeFileSync(secret, 'leaked');
      // Only a descriptor without close-on-exec leaks, which Node never makes itself: a shell does.
      const probe = spawnSync('/bin/sh', ['-c', `exec 7<${secret}; exec cat /proc/self/fdinfo/7`]);
      expect(String(probe.stdout)).toContain('flags');
      const own = openSync(secret, 'r');
      expect(await out(`cat /proc/self/fd/${own} 2>/dev/null | head -c 6`)).toBe('');
      closeSync(own);
      rmSync(secret);
    });
  });
});

describe.skipIf(missing !== undefined)('createExecutor()', () => {
  it('remembers what works until the host changes', async () => {
    const bench = await openStepBench();
    const stateDir = join(bench.directory, 'state');
    const record = JSON.parse(readFileSync(join(stateDir, 'probe.json'), 'utf8')) as { probe: unknown };
    expect(record.probe).toEqual(bench.executor.probe);
    const options = { stateDir, makeTempDir: bench.makeTempDir };
    writeFileSync(join(stateDir, 'probe.json'), JSON.stringify({ ...record, version: 'of another boot' }));
    expect((await createExecutor(options, quietContext)).probe).toEqual(bench.executor.probe);
    writeFileSync(join(stateDir, 'probe.json'), 'damaged');
    expect((await createExecutor(options, quietContext)).probe).toEqual(bench.executor.probe);
    await bench.close();
  });
  it('says why each better way does not work', async () => {
    const bench = await openStepBench();
    const { kind, reasons } = bench.executor.probe;
    expect(reasons.map((reason) => reason.kind)).toEqual(kind === 'root' ? [] : ['root']);
    await bench.close();
  });
});

function processesWith(text: string): number {
  const list = spawnSync('ps', ['-eww', '-o', 'args']).stdout.toString().split('\n');
  return list.filter((line) => line.includes(text) && !line.includes('/bin/sh')).length;
}
