import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, describe, expect, it } from 'vitest';
import type { Entry, FileTree, LayerItem } from './entry.ts';
import {
  createLayerView,
  type IndexedLayer,
  type RewriteLayerOptions,
  readTar,
  rewriteLayerForOverlay,
  type WriteOverlayLayerOptions,
  walkTree,
  writeLayer,
  writeLayerFromOverlayTar,
} from './index.ts';

const directory = mkdtempSync(join(tmpdir(), 'zlayer-overlay-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;

const base = { mode: 0o644, uid: 0, gid: 0, sizeBytes: 0, mtime: 1 } as const;
const file = (path: string, text = path, more: Partial<Entry> = {}): LayerItem => {
  const bytes = Buffer.from(text);
  const entry: Entry = { ...base, path, type: 'file', sizeBytes: bytes.length, ...more };
  return { entry, content: { kind: 'bytes', bytes } };
};
const dir = (path: string, more: Partial<Entry> = {}): LayerItem => ({
  entry: { ...base, path, type: 'directory', mode: 0o755, ...more },
});
const other = (path: string, type: Entry['type'], more: Partial<Entry>): LayerItem => ({
  entry: { ...base, path, type, ...more },
});
const deleted = (path: string): LayerItem => other(path, 'char', { mode: 0, device: { major: 0, minor: 0 } });
const opaque = (kind: string): Partial<Entry> => ({ xattrs: new Map([[`${kind}.overlay.opaque`, Buffer.from('y')]]) });

async function layerOf(items: Iterable<LayerItem>): Promise<IndexedLayer> {
  const tarPath = join(directory, `${files++}.tar`);
  const chunks: Buffer[] = [];
  const { toc } = await writeLayer(items, { write: (bytes) => void chunks.push(Buffer.from(bytes)) });
  writeFileSync(tarPath, Buffer.concat(chunks));
  return { toc, tarPath };
}

async function membersOf(source: AsyncIterable<Uint8Array>): Promise<string[]> {
  const members: string[] = [];
  for await (const { entry, body } of readTar(source)) {
    let text = '';
    for await (const chunk of body) text += Buffer.from(chunk).toString('latin1');
    const device = entry.device === undefined ? '' : ` ${entry.device.major}/${entry.device.minor}`;
    const xattrs = [...(entry.xattrs ?? [])].map(
      ([name, value]) => ` ${name}=${Buffer.from(value).toString('latin1')}`,
    );
    const link = entry.linkTarget === undefined ? '' : ` -> ${entry.linkTarget}`;
    members.push(
      `${entry.type} ${entry.path} ${entry.mode.toString(8)}${device}${link}${xattrs.join('')} ${text}`.trim(),
    );
  }
  return members;
}

const overlayForm = async (items: LayerItem[], options: Partial<RewriteLayerOptions> = {}): Promise<string[]> =>
  membersOf(rewriteLayerForOverlay(await layerOf(items), { xattrs: 'user', ...options }));

async function layerForm(items: LayerItem[], options: WriteOverlayLayerOptions = {}): Promise<string[]> {
  const { tarPath } = await layerOf(items);
  const chunks: Buffer[] = [];
  await writeLayerFromOverlayTar(
    createReadStream(tarPath),
    { write: (bytes) => void chunks.push(Buffer.from(bytes)) },
    options,
  );
  return membersOf(Readable.from([Buffer.concat(chunks)]));
}

const below = async (...items: LayerItem[]): Promise<FileTree> => createLayerView([await layerOf(items)]);

describe('rewriteLayerForOverlay()', () => {
  it('makes whiteouts devices and marks opaque directories', async () => {
    const lower = await below(dir('a'), file('a/x'), file('b'), dir('c'));
    expect(
      await overlayForm([dir('a'), { opaque: 'a' }, { whiteout: 'b' }, { whiteout: 'c' }, dir('c', { mode: 0o700 })], {
        below: lower,
      }),
    ).toEqual([
      'directory  755',
      'directory a 755 user.overlay.opaque=y',
      'char b 0 0/0',
      'directory c 700 user.overlay.opaque=y',
    ]);
  });

  it('writes no device for a name that is not there, or is there again', async () => {
    const lower = await below(file('b', 'old'));
    expect(await overlayForm([{ whiteout: 'gone' }, { whiteout: 'b' }, file('b', 'new')], { below: lower })).toEqual([
      'directory  755',
      'file b 644 new',
    ]);
    expect(await overlayForm([{ whiteout: 'gone' }])).toEqual(['directory  755']);
  });

  it('gives missing parents the metadata that they have below', async () => {
    const lower = await below(dir('', { mode: 0o711 }), dir('a', { mode: 0o700 }), dir('a/b', { mode: 0o1777 }));
    expect(await overlayForm([file('a/b/c')], { below: lower })).toEqual([
      'directory  711',
      'directory a 700',
      'directory a/b 1777',
      'file a/b/c 644 a/b/c',
    ]);
  });

  it('puts members below a symlink where it leads', async () => {
    const lower = await below(
      dir('usr', { mode: 0o711 }),
      other('lib', 'symlink', { linkTarget: 'usr' }),
      file('usr/old'),
    );
    expect(await overlayForm([file('lib/x'), { whiteout: 'lib/old' }], { below: lower })).toEqual([
      'directory  755',
      'directory usr 711',
      'char usr/old 0 0/0',
      'file usr/x 644 lib/x',
    ]);
  });

  it('keeps hard links, and copies the file of one that leads into a lower layer', async () => {
    const lower = await below(file('low', 'text', { mode: 0o755 }));
    const items = [
      file('b', 'own'),
      other('a', 'hardlink', { linkTarget: 'b' }),
      other('c', 'hardlink', { linkTarget: 'low' }),
    ];
    expect(await overlayForm(items, { below: lower })).toEqual([
      'directory  755',
      'file a 644 own',
      'hardlink b 644 -> a',
      'file c 755 text',
    ]);
  });

  it('hides what an opaque root hides name by name', async () => {
    const lower = await below(dir('a'), file('a/x'), file('b'));
    expect(await overlayForm([{ opaque: '' }, dir('a'), file('c')], { below: lower })).toEqual([
      'directory  755',
      'directory a 755 user.overlay.opaque=y',
      'file c 644 c',
      'char b 0 0/0',
    ]);
  });

  it("keeps a layer's own attributes out of overlay's business", async () => {
    const xattrs = new Map([...opaque('trusted').xattrs!, ...opaque('user').xattrs!, ['user.x', Buffer.from('1')]]);
    expect(await overlayForm([dir('a', { xattrs })])).toEqual(['directory  755', 'directory a 755 user.x=1']);
  });

  it('leaves devices out where they cannot be made', async () => {
    const items = [other('null', 'char', { device: { major: 1, minor: 3 } }), file('a')];
    expect(await overlayForm(items, { skipDevices: true })).toEqual(['directory  755', 'file a 644 a']);
  });
});

describe('writeLayerFromOverlayTar()', () => {
  it('makes devices 0/0 and their hard links whiteouts', async () => {
    const items = [dir('d'), deleted('d/a'), other('d/b', 'hardlink', { linkTarget: 'd/a' }), file('f')];
    expect(await layerForm(items)).toEqual(['directory d 755', 'file d/.wh.a 0', 'file d/.wh.b 0', 'file f 644 f']);
  });

  it('leaves out deletions of names that are not below', async () => {
    expect(await layerForm([deleted('a'), deleted('b')], { below: await below(file('b')) })).toEqual(['file .wh.b 0']);
  });

  it.each(['trusted', 'user'])(
    'keeps the mark of a %s opaque directory when nothing is known of what is below',
    async (kind) => {
      expect(await layerForm([dir('a', opaque(kind)), file('a/x')])).toEqual([
        'directory a 755',
        'file a/.wh..wh..opq 0',
        'file a/x 644 a/x',
      ]);
    },
  );

  it('names what vanished from an opaque directory when it is known what is below', async () => {
    const lower = await below(
      dir('a'),
      file('a/gone'),
      file('a/kept'),
      dir('a/d'),
      file('a/d/gone'),
      dir('a/e'),
      file('a/e/gone'),
    );
    const items = [
      dir('a', opaque('user')),
      dir('a/d'),
      file('a/kept', 'new'),
      deleted('a/e'),
      dir('new', opaque('user')),
    ];
    expect(await layerForm(items, { below: lower })).toEqual([
      'directory a 755',
      'directory a/d 755',
      'file a/kept 644 new',
      'file a/.wh.e 0',
      'directory new 755',
      'file a/d/.wh.gone 0',
      'file a/.wh.gone 0',
    ]);
  });

  it('keeps capabilities and user attributes alone', async () => {
    const v3 = Buffer.from('0100000300040000000000000000000000000000e9030000', 'hex');
    const xattrs = new Map<string, Uint8Array>([
      ['security.capability', v3],
      ['security.selinux', Buffer.from('label')],
      ['trusted.overlay.origin', Buffer.from('x')],
      ['user.overlay.impure', Buffer.from('y')],
      ['user.note', Buffer.from('mine')],
    ]);
    const [member] = await layerForm([file('a', 'a', { xattrs })]);
    const v2 = Buffer.from('0100000200040000000000000000000000000000', 'hex').toString('latin1');
    expect(member).toBe(`file a 644 security.capability=${v2} user.note=mine a`);
  });

  it('writes the root only when its owner or mode changed', async () => {
    const lower = await below(dir('', { mode: 0o755, mtime: 5 }));
    expect(await layerForm([dir('', { mtime: 9 })], { below: lower })).toEqual([]);
    expect(await layerForm([dir('', { mode: 0o700 })], { below: lower })).toEqual(['directory  700']);
    expect(await layerForm([dir('', { mode: 0o700 })])).toEqual([]);
  });

  it('leaves out what the caller excludes', async () => {
    expect(await layerForm([dir('a'), file('a/mount'), file('b')], { exclude: (path) => path === 'a/mount' })).toEqual([
      'directory a 755',
      'file b 644 b',
    ]);
  });

  it('refuses a name that a layer cannot hold', async () => {
    const name = join(directory, '.wh.x');
    writeFileSync(name, '');
    const tar = execFileSync('tar', ['--format=pax', '-C', directory, '-cf', '-', '.wh.x']);
    await expect(writeLayerFromOverlayTar(Readable.from([tar]), { write: () => {} })).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('.wh.x'),
    });
  });
});

/** Overlay mounts need root; the rootless form is tested with the engine. */
const isRoot = process.getuid?.() === 0;
const canMount = isRoot && mountWorks();
if (isRoot && !canMount && process.env.CI === 'true') throw new Error('mount namespaces cannot be made on this host');

function mountWorks(): boolean {
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('overlay layers', () => {
  it.skipIf(!canMount)('look mounted as the view says, and changes made in a mount come back as a layer', async () => {
    const layers = [
      await layerOf([
        dir('', { mode: 0o755 }),
        dir('etc', { mode: 0o711 }),
        file('etc/passwd', 'root', { mode: 0o600, uid: 3, gid: 4 }),
        dir('usr'),
        dir('usr/lib'),
        file('usr/lib/so', 'elf', { mode: 0o4755 }),
        file('usr/lib/old'),
        other('usr/lib/hard', 'hardlink', { linkTarget: 'usr/lib/so' }),
        other('lib', 'symlink', { linkTarget: 'usr/lib' }),
        dir('opt'),
        file('opt/a'),
        dir('opt/sub'),
        file('opt/sub/x'),
        dir('var'),
        file('var/1'),
        file('var/2'),
      ]),
      await layerOf([
        file('lib/new'),
        { whiteout: 'lib/old' },
        { opaque: 'opt' },
        file('opt/b'),
        file('etc/caf\u00c3\u00a9'),
        other('copy', 'hardlink', { linkTarget: 'etc/passwd' }),
      ]),
    ];
    const root = mkdtempSync(join(directory, 'mount-'));
    const dirs: string[] = [];
    for (const [i, layer] of layers.entries()) {
      const target = join(root, `l${i}`);
      mkdirSync(target);
      const tar = spawn('tar', ['--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpf', '-', '-C', target], {
        stdio: ['pipe', 'inherit', 'inherit'],
      });
      const closed = once(tar, 'close');
      const view = createLayerView(layers.slice(0, i));
      await pipeline(rewriteLayerForOverlay(layer, { xattrs: 'trusted', below: view }), tar.stdin);
      expect((await closed)[0]).toBe(0);
      dirs.unshift(target);
    }
    const script = `set -e; cd ${root}; mkdir u w m
      mount -t overlay overlay -o lowerdir=${dirs.join(':')},upperdir=u,workdir=w m
      ${LIST} > before
      cd m; rm -r var; mkdir var; touch -d @7 var/2 var; echo new > usr/lib/added; rm opt/b; rm -r usr/lib/old etc/passwd 2>/dev/null || true
      chmod 700 usr; chown 9:9 usr/lib/so; ln usr/lib/added linked; rm copy; mkdir copy; setfattr -n user.k -v v opt 2>/dev/null || true; cd ..
      ${LIST} > after
      tar --format=pax --sort=name --numeric-owner --xattrs '--xattrs-include=*' -C u -cf diff.tar .`;
    execFileSync('unshare', ['-m', 'sh', '-c', script], { stdio: 'inherit' });
    const lower = createLayerView(layers);
    expect(linesOf(lower)).toEqual(listing(join(root, 'before')));

    const tarPath = join(root, 'layer.tar');
    const chunks: Buffer[] = [];
    const sink = { write: (bytes: Uint8Array): void => void chunks.push(Buffer.from(bytes)) };
    const { toc } = await writeLayerFromOverlayTar(createReadStream(join(root, 'diff.tar')), sink, { below: lower });
    writeFileSync(tarPath, Buffer.concat(chunks));
    expect(linesOf(createLayerView([...layers, { toc, tarPath }]))).toEqual(listing(join(root, 'after')));
  });
});

const LIST = "(cd m; find . -mindepth 1 -printf '%y %#m %U:%G %s %P %l\\n')";

function listing(path: string): string[] {
  return readFileSync(path, 'latin1')
    .slice(0, -1)
    .split('\n')
    .map((line) =>
      line
        .replace(/^(d \S+ \S+) \d+/, '$1 0')
        .replace(/^(l) \S+/, '$1 0777')
        .replace(/^(l \S+ \S+) \d+/, '$1 0'),
    )
    .sort();
}

function linesOf(tree: FileTree): string[] {
  const letters: Partial<Record<Entry['type'], string>> = { file: 'f', directory: 'd', symlink: 'l' };
  return [...walkTree(tree)]
    .slice(1)
    .map(({ type, mode, uid, gid, sizeBytes, path, linkTarget = '' }) => {
      const bits = type === 'symlink' ? '0777' : `0${mode.toString(8)}`;
      return `${letters[type]} ${bits} ${uid}:${gid} ${sizeBytes} ${path} ${linkTarget}`;
    })
    .sort();
}
