import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type BytePath, digestOf, parentOf } from '../core/index.ts';
import type { Entry, FileTree, LayerItem } from './entry.ts';
import { createLayerView, type IndexedLayer, indexLayer, readContent, walkTree, writeLayer } from './index.ts';
import { squashLayers } from './squash-layers.ts';

const directory = mkdtempSync(join(tmpdir(), 'zlayer-squash-'));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;

async function layerOf(items: Iterable<LayerItem>): Promise<IndexedLayer & { readonly bytes: Buffer }> {
  const tarPath = join(directory, `${files++}.tar`);
  const chunks: Buffer[] = [];
  const { toc } = await writeLayer(items, { write: (bytes) => void chunks.push(Buffer.from(bytes)) });
  const bytes = Buffer.concat(chunks);
  writeFileSync(tarPath, bytes);
  return { toc, tarPath, bytes };
}

const common = { mode: 0o644, uid: 0, gid: 0, sizeBytes: 0, mtime: 1 } as const;
const file = (path: string, text = path, more: Partial<Entry> = {}): LayerItem => {
  const bytes = Buffer.from(text);
  const entry: Entry = { ...common, path, type: 'file', sizeBytes: bytes.length, ...more };
  return bytes.length === 0 ? { entry } : { entry, content: { kind: 'bytes', bytes } };
};
const dir = (path: string, more: Partial<Entry> = {}): LayerItem => ({
  entry: { ...common, path, type: 'directory', mode: 0o755, ...more },
});
const symlink = (path: string, linkTarget: string): LayerItem => ({
  entry: { ...common, path, type: 'symlink', linkTarget },
});
const hardlink = (path: string, linkTarget: string): LayerItem => ({
  entry: { ...common, path, type: 'hardlink', linkTarget },
});

/** The squashed layer's items, short: what a tar listing would show. */
async function squashed(base: LayerItem[][], above: LayerItem[][]): Promise<string[]> {
  const layers = await Promise.all([...base, ...above].map(layerOf));
  return [...squashLayers(layers.slice(0, base.length), layers.slice(base.length))].map(shown);
}

function shown(item: LayerItem): string {
  if ('whiteout' in item) return `- ${item.whiteout}`;
  if ('opaque' in item) return `! ${item.opaque}`;
  const { path, type, linkTarget } = item.entry;
  return `${type} ${path}${linkTarget === undefined ? '' : ` > ${linkTarget}`}`;
}

describe('squashLayers()', () => {
  it('keeps the last of what the layers say of a name', async () => {
    expect(
      await squashed(
        [],
        [
          [file('a', 'old'), dir('d')],
          [file('a', 'new'), file('d/x')],
        ],
      ),
    ).toEqual(['file a', 'directory d', 'file d/x']);
  });

  it('keeps whiteouts for what the base has, and leaves no trace of what only came and went', async () => {
    const base = [[dir('etc'), file('etc/secret'), file('etc/kept')]];
    const above = [
      [dir('tmp'), file('tmp/token')],
      [{ whiteout: 'tmp/token' }, { whiteout: 'etc/secret' }],
    ];
    expect(await squashed(base, above)).toEqual(['- etc/secret', 'directory tmp']);
  });

  it('marks a directory that was made anew as opaque', async () => {
    const base = [[dir('d'), file('d/a'), file('d/b')]];
    expect(await squashed(base, [[{ whiteout: 'd' }], [dir('d'), file('d/c')]])).toEqual([
      'directory d',
      '! d',
      'file d/c',
    ]);
    expect(await squashed(base, [[{ opaque: 'd' }, file('d/c')]])).toEqual(['! d', 'file d/c']);
  });

  it('needs neither mark nor whiteout for a file in the place of a directory, or the other way round', async () => {
    expect(await squashed([[dir('d'), file('d/a')]], [[file('d')]])).toEqual(['file d']);
    expect(await squashed([[file('d')]], [[dir('d'), file('d/a')]])).toEqual(['directory d', 'file d/a']);
    expect(await squashed([[dir('d'), file('d/a')]], [[file('d')], [{ whiteout: 'd' }], [dir('d')]])).toEqual([
      'directory d',
      '! d',
    ]);
  });

  it('takes the metadata of a directory from the last layer that has it, and none from the base', async () => {
    const layers = await Promise.all([[dir('d')], [dir('d', { mode: 0o700 })], [file('d/x')]].map(layerOf));
    const [first] = [...squashLayers(layers.slice(0, 1), layers.slice(1))];
    expect(first).toMatchObject({ entry: { path: 'd', mode: 0o700 } });
    expect(await squashed([[dir('d')]], [[file('d/x')], [file('d/y')]])).toEqual(['file d/x', 'file d/y']);
  });

  it('links names of one file to its first name, here or in the base, else brings the content', async () => {
    expect(await squashed([], [[file('b')], [hardlink('a', 'b'), hardlink('c', 'b')]])).toEqual([
      'file a',
      'hardlink b > a',
      'hardlink c > a',
    ]);
    expect(await squashed([[file('b')]], [[file('x')], [hardlink('a', 'b')]])).toEqual(['hardlink a > b', 'file x']);
    expect(await squashed([[file('b')]], [[hardlink('a', 'b')], [{ whiteout: 'b' }]])).toEqual(['file a', '- b']);
    // The file's first name is replaced by a link to another name that it has in the base.
    const linked = [[file('a')], [hardlink('c', 'a')]];
    expect(await squashed(linked, [[hardlink('a', 'c')], [file('x')]])).toEqual(['hardlink a > c', 'file x']);
  });

  it('puts members below a symlink of the base where it leads', async () => {
    const base = [[dir('usr'), dir('usr/lib'), symlink('lib', 'usr/lib')]];
    expect(await squashed(base, [[file('lib/a')], [file('lib/b')]])).toEqual(['file usr/lib/a', 'file usr/lib/b']);
  });

  it('equals the layers applied one after the other, says no more than that takes, and is the same every time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(layerPlan, { minLength: 1, maxLength: 5 }), fc.nat(4), async (plans, cut) => {
        const layers = await buildLayers(plans);
        if (layers === undefined) return;
        const keep = Math.min(cut, layers.length - 1);
        const base = layers.slice(0, keep);
        const items = [...squashLayers(base, layers.slice(keep))];
        const layer = await layerOf(items);
        expect(snapshotOf(createLayerView([...base, layer]))).toEqual(snapshotOf(createLayerView(layers)));
        // Read back by its members, as another tool would.
        const again = { toc: indexLayer(layer.tarPath), tarPath: layer.tarPath };
        expect(snapshotOf(createLayerView([...base, again]))).toEqual(snapshotOf(createLayerView(layers)));
        expectSpare(base, items);
        const second = await layerOf(squashLayers(base, layers.slice(keep)));
        expect(digestOf(second.bytes)).toBe(digestOf(layer.bytes));
      }),
      { numRuns: 200 },
    );
  });
});

/** No name twice; whiteouts and opaque marks only for what the base has. */
function expectSpare(base: readonly IndexedLayer[], items: readonly LayerItem[]): void {
  const below = createLayerView(base);
  const names = items.map((item) =>
    'entry' in item ? item.entry.path : 'whiteout' in item ? item.whiteout : undefined,
  );
  const known = names.filter((name) => name !== undefined);
  expect(new Set(known).size).toBe(known.length);
  for (const item of items) {
    if ('whiteout' in item) expect(below.stat(item.whiteout)).toBeDefined();
    if ('opaque' in item) expect(below.list(item.opaque).length).toBeGreaterThan(0);
  }
}

const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const change = fc.record({
  path,
  kind: fc.constantFrom('file', 'file', 'directory', 'whiteout', 'opaque', 'symlink', 'hardlink'),
  text: fc.string({ maxLength: 3 }),
  mode: fc.constantFrom(0o755, 0o700, 0o4711),
  target: fc.nat(20),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;
const layerPlan = fc.array(change, { maxLength: 7 });

/** Layers that an image may have: hard links name files that are there. Undefined when they contradict one another. */
async function buildLayers(plans: readonly Change[][]): Promise<IndexedLayer[] | undefined> {
  const layers: IndexedLayer[] = [];
  for (const plan of plans) {
    const targets = filesIn(createLayerView(layers));
    layers.push(await layerOf(toItems(plan, targets)));
    try {
      snapshotOf(createLayerView(layers));
    } catch {
      // A loop of symlinks, or a link to a file that the layer itself replaces.
      return undefined;
    }
  }
  return layers;
}

function filesIn(tree: FileTree): readonly BytePath[] {
  return [...walkTree(tree)].filter(({ type }) => type === 'file').map((entry) => entry.path);
}

function toItems(plan: readonly Change[], targets: readonly BytePath[]): LayerItem[] {
  const items = new Map<string, LayerItem>();
  const marks: LayerItem[] = [];
  for (const { path, kind, text, mode, target } of plan) {
    if (kind === 'whiteout') marks.push({ whiteout: path });
    else if (kind === 'opaque') marks.push({ opaque: path });
    else if (kind === 'file') items.set(path, file(path, text, { mode }));
    else if (kind === 'directory') items.set(path, dir(path, { mode }));
    else if (kind === 'symlink') items.set(path, symlink(path, ['a', 'b', 'c', 'a/b'][target % 4]!));
    else if (targets.length > 0) items.set(path, hardlink(path, targets[target % targets.length]!));
  }
  const isBelowFile = (name: BytePath): boolean => {
    const item = items.get(name);
    if (item !== undefined && 'entry' in item && item.entry.type !== 'directory') return true;
    return name !== '' && isBelowFile(parentOf(name));
  };
  const kept = [...items].filter(([name]) => !isBelowFile(parentOf(name))).map(([, item]) => item);
  const possible = marks.filter((mark) =>
    'opaque' in mark ? !isBelowFile(mark.opaque) : 'whiteout' in mark && !isBelowFile(parentOf(mark.whiteout)),
  );
  return [...kept, ...possible];
}

/** Everything that a tree tells of its names, with the groups of names that are one file. */
function snapshotOf(tree: FileTree): unknown[] {
  const groups = new Map<string, BytePath[]>();
  const entries = [...walkTree(tree)].slice(1);
  for (const { path, type } of entries) {
    const id = type === 'directory' ? undefined : tree.linkId(path);
    if (id !== undefined) groups.set(id, [...(groups.get(id) ?? []), path]);
  }
  const names = entries.map(({ path, type, mode, sizeBytes, linkTarget }) => {
    const text =
      type === 'file' ? Buffer.concat([...readContent(tree.content(path), sizeBytes)]).toString('latin1') : '';
    return [path, type, mode, linkTarget, text];
  });
  return [...names, [...groups.values()]];
}
