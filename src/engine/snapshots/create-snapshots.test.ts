import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FileTree, type LayerItem, walkTree } from '../../archive/index.ts';
import { type LayerRef, MEDIA_TYPES } from '../../oci/index.ts';
import { directoryItem, type EngineBench, fileItem, linkItem, openEngineBench } from '../exec/engine-bench.fixture.ts';
import { missingForSteps, quietContext } from '../exec/step-bench.fixture.ts';

const missing = missingForSteps();
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(`snapshots cannot be tested: ${missing}`);
if (missing !== undefined) console.warn(`Snapshots are not tested here: ${missing}`);

describe.skipIf(missing !== undefined)('createSnapshots()', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await openEngineBench();
  });
  afterAll(() => bench.close());

  /** What a step sees on layers of these items, over busybox. */
  const seen = async (layers: ReadonlyArray<readonly LayerItem[]>, script: string): Promise<string> => {
    const base = [...bench.base];
    for (const items of layers) base.push(await bench.layer(items));
    return (await bench.run(script, { base })).stdout;
  };

  describe('mountable()', () => {
    it('restores owners, modes, times, links and attributes', async () => {
      const layer = [
        directoryItem('d', { mode: 0o2750, uid: 5, gid: 6, mtime: 1_500_000_000 }),
        fileItem('d/f', 'text', { mode: 0o4711, uid: 7, gid: 8, mtime: -5 }),
        linkItem('d/h', 'd/f', 'hardlink'),
        linkItem('d/s', '/no/where'),
      ];
      const text = await seen([layer], 'cd /d; stat -c "%n %a %u:%g %Y %h" . f h; readlink s');
      expect(text).toBe('. 2750 5:6 1500000000 2\nf 4711 7:8 -5 2\nh 4711 7:8 -5 2\n/no/where\n');
    });
    it('hides what whiteouts and opaque marks hide, wherever they stand in the layer', async () => {
      const lower = [fileItem('d/a', '1'), fileItem('d/b', '2'), fileItem('o/x', '3'), fileItem('o/s/y', '4')];
      const upper = [{ whiteout: 'd/a' }, fileItem('o/new', '5'), { opaque: 'o' }, directoryItem('o', { mode: 0o700 })];
      const text = await seen([lower, upper], 'find /d /o | sort; stat -c %a /o');
      expect(text).toBe('/d\n/d/b\n/o\n/o/new\n700\n');
    });
    it('lets an entry survive its own whiteout', async () => {
      const text = await seen([[fileItem('f', 'old')], [{ whiteout: 'f' }, fileItem('f', 'new')]], 'cat /f');
      expect(text).toBe('new');
    });
    it('takes a directory that replaces a file, and a file that replaces a directory', async () => {
      const lower = [fileItem('x', '1'), fileItem('y/z', '2')];
      const upper = [fileItem('x/in', '3'), directoryItem('x'), fileItem('y', '4')];
      expect(await seen([lower, upper], 'cat /x/in /y')).toBe('34');
    });
    it('puts members below a symlink of a lower layer where it leads, in the root', async () => {
      const lower = [directoryItem('usr/lib'), linkItem('lib', 'usr/lib'), linkItem('abs', '/../../usr/lib')];
      const upper = [fileItem('lib/one', '1'), fileItem('abs/two', '2')];
      expect(await seen([lower, upper], 'ls /usr/lib; readlink /lib')).toBe('one\ntwo\nusr/lib\n');
    });
    it('gives parents that a layer does not describe the attributes of the layers below', async () => {
      const lower = [directoryItem('p', { mode: 0o700, uid: 9 }), directoryItem('p/q', { mode: 0o711, mtime: 99 })];
      expect(await seen([lower, [fileItem('p/q/f', '')]], 'stat -c "%a %u %Y" /p /p/q')).toMatch(
        /^700 9 .*\n711 0 99\n$/,
      );
    });
    it('hides what an opaque root hides', async () => {
      const lower = [directoryItem('a'), fileItem('a/x', '1'), fileItem('b', '2')];
      // The base lies on top: the mark would hide what a step needs.
      const kept = await bench.layer([...lower, fileItem('c', 'old')]);
      const marked = await bench.layer([
        { opaque: '' },
        directoryItem('a'),
        fileItem('a/y', '3'),
        fileItem('c', 'new'),
      ]);
      const stack = { layers: [kept, marked, ...bench.base], lease: bench.lease };
      const { stdout } = await bench.run('find /a /b /c 2>/dev/null | sort; cat /c', { base: stack.layers });
      expect(stdout).toBe('/a\n/a/y\n/c\nnew');
    });
    it('copies a hard link to a file of a lower layer', async () => {
      const lower = [fileItem('f', 'content', { mode: 0o640, uid: 3 })];
      const text = await seen([lower, [linkItem('g', 'f', 'hardlink')]], 'cat /g; stat -c " %a %u" /g');
      expect(text).toBe('content 640 3\n');
    });
    it('holds names of any bytes', async () => {
      expect(await seen([[fileItem('n\xe9\n\\', 'odd')]], 'cat /n*')).toBe('odd');
    });
    it('unpacks a stack once, also when several ask for it at the same time', async () => {
      const layer = await bench.layer([fileItem('once', 'x')]);
      const stack = { layers: [...bench.base, layer], lease: bench.lease };
      const found = await Promise.all([1, 2, 3].map(() => bench.snapshots.mountable(stack, quietContext)));
      expect(new Set(found.map((directories) => directories.join('|')))).toHaveLength(1);
      expect(readdirSync(found[0]?.at(-1) ?? '')).toEqual(['once']);
    });
    it('keeps nothing of a layer that is damaged', async () => {
      const blob = await bench.store.blobs.put(Buffer.alloc(1024, 7));
      const layer: LayerRef = {
        diffId: blob.digest,
        blob: { mediaType: MEDIA_TYPES.ociLayer, digest: blob.digest, size: blob.sizeBytes },
      };
      const stack = { layers: [layer], lease: bench.lease };
      const before = await bench.store.area('snapshots').list();
      await expect(bench.snapshots.mountable(stack, quietContext)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
      expect(await bench.store.area('snapshots').list()).toEqual(before);
    });
  });

  describe('commit()', () => {
    it('gives a step on the kept directory what one on the unpacked layer sees', async () => {
      const step = await bench.run(
        'mkdir -p /d/s; echo x > /d/s/f; chown -R 1000:1001 /d; ln /d/s/f /d/h; rm /etc/group',
      );
      const script = 'find /d -exec stat -c "%n %a %u:%g %Y %s" {} ";" | sort; ls /etc/group 2>&1 || true';
      const kept = await bench.run(script, { base: step.layers });
      const area = bench.store.area('snapshots');
      for (const key of await area.list()) await area.remove(key);
      const unpacked = await bench.run(script, { base: step.layers });
      expect(unpacked.stdout).toBe(kept.stdout);
      expect(kept.stdout).toContain('/d/s/f 644 1000:1001');
    });
    it('writes capabilities and user attributes, and none of overlay’s', async () => {
      const xattrs = new Map([
        ['security.capability', Buffer.from('0100000200040000000000000000000000000000', 'hex')],
        ['user.note', Buffer.from('kept')],
      ]);
      const base = [...bench.base, await bench.layer([directoryItem('o'), fileItem('o/f', 'x', { xattrs })])];
      const { layers } = await bench.run('rm -rf /gone; touch /o/f; mkdir /o/n', { base });
      const entry = (await bench.view(layers.slice(-1))).stat('o/f');
      expect([...(entry?.xattrs?.keys() ?? [])].sort()).toEqual(['security.capability', 'user.note']);
      expect(Buffer.from(entry?.xattrs?.get('security.capability') ?? []).toString('hex')).toBe(
        '0100000200040000000000000000000000000000',
      );
      expect((await bench.view(layers.slice(-1))).stat('o')?.xattrs).toBeUndefined();
    });
    it('refuses a name that a layer cannot hold', async () => {
      await expect(bench.run('echo x > /.wh.name')).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    });
    it('leaves sockets out', async () => {
      const { names } = await bench.run(
        'echo x > /f; nc -lU /sock 2>/dev/null & sleep 0.05; kill $! 2>/dev/null; true',
      );
      expect(names.filter((name) => name.startsWith('sock'))).toEqual([]);
      expect(names).toContain('f');
    });
  });

  it('shows a step what the merged view says, before and after changes of all kinds', async () => {
    const lower = [
      directoryItem('etc', { mode: 0o711 }),
      fileItem('etc/shadow', 'root', { mode: 0o600, uid: 3, gid: 4 }),
      directoryItem('t'),
      directoryItem('t/lib'),
      fileItem('t/lib/so', 'elf', { mode: 0o4755 }),
      fileItem('t/lib/old', ''),
      linkItem('t/lib/hard', 't/lib/so', 'hardlink'),
      linkItem('lib', 't/lib'),
      directoryItem('opt'),
      fileItem('opt/a', 'a'),
      directoryItem('opt/sub'),
      fileItem('opt/sub/x', 'x'),
      directoryItem('var'),
      fileItem('var/1', '1'),
      fileItem('var/2', '2'),
    ];
    const upper = [
      fileItem('lib/new', 'new'),
      { whiteout: 'lib/old' },
      { opaque: 'opt' },
      fileItem('opt/b', 'b'),
      linkItem('copy', 'etc/shadow', 'hardlink'),
    ];
    const base = [...bench.base, await bench.layer(lower), await bench.layer(upper)];
    const places = 'copy etc/shadow lib opt t var';
    const list = `cd /; find ${places} linked -exec stat -c '%n %a %u:%g' {} ';' 2>/dev/null | sort`;
    const expected = async (layers: readonly LayerRef[]): Promise<string> =>
      listingOf(await bench.view(layers), [...places.split(' '), 'linked']);
    expect((await bench.run(list, { base })).stdout).toBe(await expected(base));
    const changed = await bench.run(
      `rm -r /var; mkdir /var; touch /var/2; echo new > /t/lib/added; rm /opt/b; rm /etc/shadow; chmod 700 /t
       chown 9:9 /t/lib/so; ln /t/lib/added /linked; rm /copy; mkdir /copy`,
      { base },
    );
    const text = await expected(changed.layers);
    expect(text).toContain('linked 644 0:0');
    expect(text).not.toContain('var/1');
    expect((await bench.run(list, { base: changed.layers })).stdout).toBe(text);
    const area = bench.store.area('snapshots');
    for (const key of await area.list()) await area.remove(key);
    expect((await bench.run(list, { base: changed.layers })).stdout).toBe(text);
  });

  it('discards a step that was prepared, with everything that lies in it', async () => {
    const active = await bench.snapshots.prepare({ layers: [], lease: bench.lease }, quietContext);
    await bench.snapshots.unpack(
      [fileItem('f', 'x', { uid: 1000 }), directoryItem('d', { mode: 0 })],
      active.upperDir,
      quietContext,
    );
    await bench.snapshots.discard(active);
    expect(readdirSync(join(active.dir, '..'))).not.toContain(active.dir.slice(active.dir.lastIndexOf('/') + 1));
  });
});

/** As `find` with `stat` lists them: links as links, everything sorted by bytes. */
function listingOf(tree: FileTree, places: readonly string[]): string {
  return [...walkTree(tree)]
    .filter(({ path }) => places.some((place) => path === place || path.startsWith(`${place}/`)))
    .map(({ path, mode, uid, gid }) => `${path} ${mode.toString(8)} ${uid}:${gid}\n`)
    .sort()
    .join('');
}
