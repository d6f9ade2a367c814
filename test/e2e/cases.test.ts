import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BaseName, ensureBase } from '../support/base-images.ts';
import { BUILDAH_PROGRAMS, type Buildah, createBuildah } from '../support/buildah.ts';
import { listCases, type PreparedCase, prepareCase } from '../support/cases.ts';
import { checkConfig, compareConfigs } from '../support/compare-configs.ts';
import { compareTrees } from '../support/compare-trees.ts';
import { type Allowance, formatDifferences, judge } from '../support/differences.ts';
import { writableCache } from '../support/fixture-cache.ts';
import { flattenLayers } from '../support/flatten.ts';
import { IS_ROOT, lacksPrograms } from '../support/host.ts';
import { readLayout, type StoredImage } from '../support/oci-layout.ts';
import { caseReference, ensureReference, withoutOverlayMarks } from '../support/reference-images.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { unpackWithUmoci } from '../support/umoci.ts';
import { createZlayer, type Zlayer } from '../support/zlayer.ts';

const skip = lacksPrograms('comparison with buildah', [...BUILDAH_PROGRAMS, 'umoci', 'mmdebstrap', 'busybox', 'flock']);
const LISTINGS = join(writableCache(), 'listings');
/** What buildah 1.28 does differently in every image. */
const EVERYWHERE: readonly Allowance[] = ['etc/hosts', 'etc/hostname', 'etc/resolv.conf'].map((path) => ({
  path,
  field: 'presence',
  reason: 'buildah leaves the empty file on which it mounted its own; nothing of the scaffolding may enter a layer.',
}));
const CASE_TIME_MS = 400_000;

describe.skipIf(skip)(`zlayer build ${IS_ROOT ? 'as root' : 'as an ordinary user'}`, () => {
  const root = makeTempDir('cases');
  const only = process.env.ZLAYER_CASES?.split(',');
  let zlayer: Zlayer;
  let reference: Buildah | undefined;
  const loaded = new Set<BaseName>();

  beforeAll(() => {
    zlayer = createZlayer(join(root, 'store'));
  });
  afterAll(() => removeTempDir(root), 120_000);

  const openReference = async (): Promise<Buildah> => (reference ??= createBuildah(join(root, 'buildah')));

  for (const name of listCases().filter((each) => only?.includes(each) ?? true)) {
    it(`makes of ${name} what buildah makes of it`, { timeout: CASE_TIME_MS }, async () => {
      const prepared = await prepareCase(name, root);
      const theirs = await ensureReference(openReference, prepared);
      await loadBases(prepared);
      const startedAt = Math.floor(Date.now() / 1000);
      const ours = await buildCase(prepared);

      const trees = await Promise.all([ours, theirs.image].map((image) => flattenLayers(image.layers, LISTINGS)));
      const [mine = new Map(), other = new Map()] = trees;
      const builtSince = Math.min(startedAt, theirs.startedAt);
      const differences = [
        ...compareTrees(mine, withoutOverlayMarks(other), { builtSince }),
        ...compareConfigs(ours.config, theirs.config),
      ];
      const { unexplained, unused } = judge(differences, prepared.allow ?? [], EVERYWHERE);
      expect(formatDifferences(unexplained)).toBe('');
      expect(unused).toEqual([]);
      expect(checkConfig(ours.config, ours.layers.length)).toEqual([]);
      if (prepared.run !== undefined) {
        expect(await runImage(prepared.name, prepared.run.command)).toBe(prepared.run.prints);
      }
      // An ordinary user's umoci cannot make the device nodes of a Debian.
      if (!IS_ROOT && prepared.bases.includes('debian')) return;
      expect(await unpackWithUmoci(layoutOf(name), join(root, `umoci-${name}`))).toEqual(
        [...mine.keys()].filter((path) => path !== ''),
      );
      await removeTempDir(join(root, `umoci-${name}`));
    });
  }

  function layoutOf(name: string): string {
    return join(root, `image-${name}`);
  }

  /** What a container of our image prints, by buildah. */
  async function runImage(name: string, command: readonly string[]): Promise<string> {
    const buildah = await openReference();
    await buildah.skopeo([
      'copy',
      '--quiet',
      `oci:${layoutOf(name)}`,
      `containers-storage:localhost/ours-${name}:latest`,
    ]);
    return buildah.runIn(`localhost/ours-${name}:latest`, command);
  }

  async function loadBases(prepared: PreparedCase): Promise<void> {
    for (const base of prepared.bases.filter((each) => !loaded.has(each))) {
      await zlayer.loadBase(await ensureBase(base));
      loaded.add(base);
    }
  }

  async function buildCase(prepared: PreparedCase): Promise<StoredImage> {
    for (const [tag, file] of Object.entries(prepared.before ?? {})) {
      await zlayer.run(['build', '-t', tag, '-f', join(prepared.context, '..', file), prepared.context]);
    }
    const layout = layoutOf(prepared.name);
    const secrets = Object.entries(prepared.secretFiles).flatMap(([id, path]) => ['--secret', `id=${id},src=${path}`]);
    const flags = [...(prepared.flags ?? []), ...secrets, '-t', caseReference(prepared.name), '--progress', 'plain'];
    await zlayer.run(
      ['build', ...flags, '-f', prepared.dockerfile, '-o', `type=oci,dest=${layout},tar=false`, prepared.context],
      { timeoutMs: CASE_TIME_MS },
    );
    expect(readdirSync(layout).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
    return readLayout(layout);
  }
});
