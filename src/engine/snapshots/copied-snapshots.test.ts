import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LayerRef } from '../../oci/index.ts';
import { directoryItem, type EngineBench, fileItem, linkItem, openEngineBench } from '../exec/engine-bench.fixture.ts';
import { missingForSteps } from '../exec/step-bench.fixture.ts';

const missing = missingForSteps();
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(`snapshots cannot be tested: ${missing}`);
if (missing !== undefined) console.warn(`Snapshots are not tested here: ${missing}`);

/** Steps one after the other, each on what the one before has left. Times are set: a second may pass between two builds. */
const STEPS: ReadonlyArray<readonly [what: string, script: string]> = [
  ['new files, modes and owners', 'mkdir -p /n/d; echo x > /n/f; chmod 4711 /n/f; chown 7:8 /n/d; chown 9 /n/f'],
  [
    'a file that is changed in place with its size and time kept',
    'touch -r /a/f /tmp/t; printf 2 > /a/f; touch -r /tmp/t /a/f; rm /tmp/t',
  ],
  ['names that go', 'rm /a/gone; rm -r /a/sub; rm /tmp/none || true'],
  ['a directory in place of a file, and the other way round', 'rm /n/f; mkdir /n/f; rmdir /n/d; echo y > /n/d'],
  ['links', 'ln /a/f /a/hard; ln -s nowhere /a/soft; mkfifo /a/pipe'],
  ['modes and owners alone', 'chmod 700 /o; chown 3:4 /o/f'],
  ['nothing', 'cat /etc/passwd > /dev/null'],
  ['a directory that is emptied and filled again', 'rm -r /o; mkdir -m 755 /o; echo new > /o/x'],
  ['odd names', 'touch "/n/-e" "/n/$(printf \'new\\nline\')" "/n/$(printf \'\\351\')"'],
];
const SET_TIMES = 'find / -xdev -newer /etc/passwd -exec touch -hd @1600000000 {} + 2>/dev/null; true';

describe.skipIf(missing !== undefined)('createCopiedSnapshots()', () => {
  let copies: EngineBench;
  let overlay: EngineBench;
  beforeAll(async () => {
    [copies, overlay] = await Promise.all([openEngineBench({ roots: 'copies' }), openEngineBench()]);
  });
  afterAll(() => Promise.all([copies.close(), overlay.close()]));

  it('makes the layers that an overlay makes, step after step', async () => {
    const lower = [
      directoryItem('a', { mode: 0o750 }),
      fileItem('a/f', '1'),
      fileItem('a/gone', ''),
      fileItem('a/sub/x', ''),
      directoryItem('o'),
      fileItem('o/f', 'f'),
      fileItem('o/x', 'old'),
    ];
    const stacks = await Promise.all(
      [copies, overlay].map(async (bench): Promise<readonly LayerRef[]> => [...bench.base, await bench.layer(lower)]),
    );
    let [mine, theirs] = stacks;
    for (const [what, script] of STEPS) {
      const [ours, reference] = await Promise.all([
        copies.run(`${script}; ${SET_TIMES}`, { base: mine! }),
        overlay.run(`${script}; ${SET_TIMES}`, { base: theirs! }),
      ]);
      expect(ours.names.toSorted(), what).toEqual(reference.names.toSorted());
      // An overlay writes what vanished from a directory that was made anew behind everything else.
      if (!script.includes('/o/x')) expect(ours.layer.diffId, what).toBe(reference.layer.diffId);
      [mine, theirs] = [ours.layers, reference.layers];
    }
  });

  it('keeps names of one file together, which an overlay takes apart', async () => {
    const lower = await copies.layer([fileItem('h1', 'one'), linkItem('h2', 'h1', 'hardlink')]);
    const { names, layers } = await copies.run('chmod 600 /h1', { base: [...copies.base, lower] });
    expect(names).toEqual(['h1', 'h2']);
    const view = await copies.view(layers);
    expect(view.stat('h2')?.mode).toBe(0o600);
    expect(view.linkId('h2')).toBe(view.linkId('h1'));
  });

  it('goes on in the tree of the step before, and keeps a tree for each of two branches', async () => {
    const first = await copies.run('echo 1 > /first');
    const [left, right] = await Promise.all(
      ['left', 'right'].map((name) => copies.run(`ls /first && echo > /${name}`, { base: first.layers })),
    );
    const seen = await Promise.all(
      [left!, right!].map(({ layers }) => copies.run('ls -d /left /right 2>/dev/null || true', { base: layers })),
    );
    expect(seen.map(({ stdout }) => stdout)).toEqual(['/left\n', '/right\n']);
  });

  it('leaves no tree of a step that failed, and none at the end', async () => {
    const bench = await openEngineBench({ roots: 'copies' });
    try {
      const trees = (): readonly string[] =>
        readdirSync(join(bench.store.root, 'zlayer/tmp'), { recursive: true, encoding: 'utf8' }).filter((name) =>
          name.endsWith('/tree'),
        );
      await expect(bench.run('echo x > /f; exit 3')).rejects.toMatchObject({ code: 'STEP_FAILED' });
      expect(trees()).toEqual([]);
      await bench.run('echo x > /f');
      expect(trees()).toHaveLength(1);
      await bench.snapshots.close();
      expect(trees()).toEqual([]);
    } finally {
      await bench.close();
    }
  });

  it('gives a bound stage to a step, which may write to its own copy alone', async () => {
    const stage = { kind: 'layers', layers: [...copies.base, await copies.layer([fileItem('s/f', 'stage')])] } as const;
    const mount = { kind: 'bind', target: '/m', input: 1, source: '/s', readonly: false } as const;
    const { stdout } = await copies.run('echo more >> /m/f; cat /m/f', { inputs: [stage], mounts: [mount] });
    expect(stdout).toBe('stagemore\n');
    const again = await copies.run('cat /m/f; echo x > /m/f || echo refused', {
      inputs: [stage],
      mounts: [{ ...mount, readonly: true }],
    });
    expect(again.stdout).toBe('stagerefused\n');
  });
});
