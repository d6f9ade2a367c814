import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuildEvent, type BuildRequest, build } from '../../src/index.ts';
import { type FaultRegistry, startFaultRegistry } from '../registry/fault-registry.ts';
import { removeTempDir } from '../support/temp-dir.ts';
import { BUSYBOX_IMAGE, importBusybox, missingForRun } from './busybox-image.ts';

const missing = missingForRun();
if (missing !== undefined) process.stderr.write(`SKIPPED cache mounts that travel: ${missing}\n`);

/** Every name with all that should arrive of it. */
const TELL = `cd /c && busybox find . ! -name big | busybox sort | while IFS= read -r f; do busybox stat -c '%n %F %a %u %g %y %h %N' "$f"; done; busybox sha256sum /c/big /c/d/f`;

/** Owners, modes, times below a second, a name that is not UTF-8, links of both kinds, what does not travel, a large file. */
const FILL = [
  'mkdir -p /c/d/empty',
  'echo warm > /c/d/f',
  'busybox ln /c/d/f /c/d/hard',
  'busybox ln -s ../nowhere /c/d/soft',
  `busybox printf x > "$(busybox printf '/c/n\\377me')"`,
  'touch /c/nothing',
  'chmod 2750 /c/d',
  'chown 1000:2000 /c/d/f /c/d/empty',
  'head -c 5000000 /dev/urandom > /c/big',
  'for i in 1 2 3 4 5 6 7 8 9; do head -c 20000 /dev/urandom > /c/file$i; done',
  'busybox touch -d "2001-02-03 04:05:06" /c/d/f',
].join(' && ');

describe.skipIf(missing !== undefined)('cache mounts that travel', () => {
  let home = '';
  let registry: FaultRegistry;
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'zlayer-mounts-'));
    registry = await startFaultRegistry();
  });
  afterAll(async () => {
    await registry.close();
    await removeTempDir(home);
  });

  /** Two machines: what one of them has forgotten, it has never had. */
  let one = '';
  let two = '';
  beforeAll(async () => {
    [one, two] = [join(home, 'one'), join(home, 'two')];
    await importBusybox(one);
    await importBusybox(two);
  });

  async function forgetMounts(dataDir: string): Promise<string> {
    await removeTempDir(join(dataDir, 'zlayer/areas/cache-mounts'));
    return dataDir;
  }

  interface Ran {
    readonly log: string;
    readonly warnings: readonly string[];
    /** Transfers that ended, by direction and name. */
    readonly moved: readonly string[];
  }

  let runs = 0;

  async function run(
    dataDir: string,
    line: string,
    options: Partial<BuildRequest>,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Ran> {
    const events: BuildEvent[] = [];
    // No step is found in the cache of steps.
    runs += 1;
    const request: BuildRequest = {
      context: { kind: 'empty' },
      dockerfile: { kind: 'text', text: `FROM ${BUSYBOX_IMAGE}\nRUN ${line} && : ${runs}` },
      dataDir,
      ...options,
    };
    await build(request, { onEvent: (event) => events.push(event), signal });
    return {
      log: events.map((event) => (event.kind === 'log' ? event.text : '')).join(''),
      warnings: events.flatMap((event) =>
        event.kind === 'warning' && event.code.startsWith('CacheMount') ? [`${event.code}: ${event.message}`] : [],
      ),
      moved: events.flatMap((event) =>
        event.kind === 'transfer' && event.done ? [`${event.direction} ${event.name}`] : [],
      ),
    };
  }

  const npm = '--mount=type=cache,target=/c,id=npm';

  /** Bytes that uploads have sent since a moment, and the moment. */
  function sentSince(from: number): number {
    const uploads = registry.requests.slice(from).filter(({ method }) => /^(PUT|POST|PATCH)$/.test(method));
    return uploads.reduce((total, { received }) => total + received, 0);
  }

  const at = (name: string, tag = 'main') =>
    [{ kind: 'registry', reference: `${registry.host}/mounts/${name}:${tag}` }] as const;

  describe('in a registry', () => {
    let told = '';

    it('fill the mount of another machine before its step, whole', async () => {
      told = (
        await run(one, `${npm} ${FILL} && busybox mkfifo /c/fifo && busybox rm /c/fifo; ${TELL}`, {
          cacheMountsTo: at('whole'),
        })
      ).log;
      expect(told).toContain('./d/f regular file 644 1000 2000 2001-02-03 04:05:06.000000000 +0000 2');
      const there = await run(two, `${npm} ${TELL}`, { cacheMountsFrom: at('whole') });
      expect(there.log).toBe(told);
      expect(there.warnings).toEqual([]);
      expect(there.moved).toContain(`pull cache mount npm from ${registry.host}/mounts/whole:main`);
    });

    it('are not sent again: nothing when they are as they were, a small pack when a file is new', async () => {
      const before = registry.requests.length;
      await run(two, `${npm} true again`, { cacheMountsTo: at('whole') });
      expect(sentSince(before)).toBe(0);
      const change = 'head -c 30000 /dev/urandom > /c/new; busybox rm /c/file3; busybox mkfifo /c/fifo';
      await run(one, `${npm} ${change}`, { cacheMountsTo: at('whole') });
      expect(sentSince(before)).toBeGreaterThan(30_000);
      expect(sentSince(before)).toBeLessThan(40_000);
      const three = await run(await forgetMounts(two), `${npm} ls /c; busybox sha256sum /c/big`, {
        cacheMountsFrom: at('whole'),
      });
      expect(three.log).toContain('new\n');
      expect(three.log).not.toMatch(/file3|fifo/);
      expect(told).toContain(three.log.split('\n').find((line) => line.endsWith('/c/big')));
    });

    it('are not sent to another tag of a repository that has them', async () => {
      const before = registry.requests.length;
      await forgetMounts(two);
      await run(two, `${npm} echo branch > /c/branch`, {
        cacheMountsFrom: at('whole'),
        cacheMountsTo: at('whole', 'branch'),
      });
      expect(sentSince(before)).toBeLessThan(10_000);
      const there = await run(await forgetMounts(two), `${npm} cat /c/branch`, {
        cacheMountsFrom: at('whole', 'branch'),
      });
      expect(there.log).toBe('branch\n');
    });

    it('leave what is here alone, and ask for nothing that no step needs', async () => {
      await forgetMounts(two);
      await run(two, `${npm} echo mine > /c/mine`, {});
      const before = registry.requests.length;
      expect((await run(two, `${npm} ls /c`, { cacheMountsFrom: at('whole') })).log).toBe('mine\n');
      await run(two, `${npm} ls /c`, { cacheMountsFrom: at('whole') });
      await run(two, '--mount=type=cache,target=/c,id=other true', {
        cacheMountsFrom: [{ ...at('whole')[0], ids: ['npm'] }],
      });
      expect(registry.requests.slice(before)).toEqual([]);
    });

    it('fill a mount that is here and empty', async () => {
      await forgetMounts(two);
      await run(two, `${npm} true`, {});
      const { log } = await run(two, `${npm} ${TELL.replace('! -name big', '-name "d*"')}`, {
        cacheMountsFrom: at('whole'),
      });
      expect(log).toContain('./d directory 2750');
    });
  });

  it('are refused when they are damaged, and the next place is taken', async () => {
    const [bad, good] = [join(home, 'bad'), join(home, 'good')];
    const fill = `${npm} head -c 300000 /dev/urandom > /c/a; echo warm > /c/b`;
    const both = [bad, good].map((directory) => ({ kind: 'local', directory }) as const);
    await run(await forgetMounts(one), fill, { cacheMountsTo: both });
    const blobs = join(bad, 'blobs/sha256');
    for (const name of readdirSync(blobs)) {
      const bytes = readFileSync(join(blobs, name));
      if (bytes.length < 200_000) continue;
      bytes[bytes.length - 5000]! ^= 1;
      writeFileSync(join(blobs, name), bytes);
    }
    const seen = await run(await forgetMounts(two), `${npm} cat /c/b; ls /c`, { cacheMountsFrom: both });
    expect(seen.log).toBe('warm\na\nb\n');
    expect(seen.warnings).toEqual([
      expect.stringMatching(/^CacheMountNotImported: The cache mount npm of .*\/bad is not used: The blob sha256:/),
    ]);
    const cold = await run(await forgetMounts(two), `${npm} ls -a /c`, {
      cacheMountsFrom: [both[0]!, { kind: 'local', directory: join(home, 'none') }],
    });
    expect(cold.log).toBe('.\n..\n');
    expect(cold.warnings).toHaveLength(2);
    expect(cold.warnings[1]).toContain(`No cache mounts are taken from ${join(home, 'none')}: there are none yet.`);
  });

  it('leave nothing half-filled when an import is broken off', async () => {
    await run(await forgetMounts(one), `${npm} head -c 3000000 /dev/urandom > /c/a`, { cacheMountsTo: at('broken') });
    const controller = new AbortController();
    registry.inject({
      method: 'GET',
      path: /broken\/blobs/,
      after: 2,
      change: (answer) => {
        setImmediate(() => controller.abort());
        return { ...answer, stallAfter: 1_000_000 };
      },
    });
    const stalled = run(await forgetMounts(two), `${npm} ls /c`, { cacheMountsFrom: at('broken') }, controller.signal);
    await expect(stalled).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(
      readdirSync(join(two, 'zlayer/areas')).includes('cache-mounts')
        ? readdirSync(join(two, 'zlayer/areas/cache-mounts'))
        : [],
    ).toEqual([]);
    expect((await run(two, `${npm} ls /c`, { cacheMountsFrom: at('broken') })).log).toBe('a\n');
  });

  it('stay within a size: those used longest ago are left out', async () => {
    const directory = join(home, 'bounded');
    const target = [{ kind: 'local', directory, maxSizeBytes: 150_000 }] as const;
    const use = (id: string) => `--mount=type=cache,target=/c,id=${id} head -c 60000 /dev/urandom > /c/${id}`;
    await run(one, use('first'), { cacheMountsTo: target });
    await run(one, use('second'), { cacheMountsTo: target });
    const third = await run(one, use('third'), { cacheMountsTo: target });
    expect(third.warnings).toEqual([expect.stringContaining(`The cache mount first is left out of ${directory}`)]);
    const mounts = ['first', 'second', 'third'].map((id) => `--mount=type=cache,target=/${id},id=${id}`).join(' ');
    const there = await run(await forgetMounts(two), `${mounts} ls /first /second /third`, { cacheMountsFrom: target });
    expect(there.log).toBe('/first:\n\n/second:\nsecond\n\n/third:\nthird\n');
  });

  it('that cannot be written fail the build, unless errors are ignored', async () => {
    const file = join(home, 'a-file');
    writeFileSync(file, '');
    const target = { kind: 'local', directory: file } as const;
    const steps = { ...target, mode: 'max' } as const;
    await expect(run(one, 'true', { cacheTo: [steps], cacheMountsTo: [target] })).rejects.toMatchObject({
      code: 'USAGE',
    });
    await expect(run(one, `${npm} echo 1 > /c/a`, { cacheMountsTo: [target] })).rejects.toMatchObject({
      code: 'OUTPUT_FAILED',
    });
    const { warnings } = await run(one, `${npm} echo 2 > /c/a`, { cacheMountsTo: [{ ...target, ignoreError: true }] });
    expect(warnings).toEqual([
      expect.stringContaining(`CacheMountNotExported: The cache mounts were not written to ${file}`),
    ]);
  });
});
