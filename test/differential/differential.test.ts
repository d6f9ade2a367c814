import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBase } from '../support/base-images.ts';
import { BUILDAH_PROGRAMS, type Buildah, createBuildah } from '../support/buildah.ts';
import { IS_ROOT, lacksPrograms } from '../support/host.ts';
import { readLayout } from '../support/oci-layout.ts';
import { runOk } from '../support/process.ts';
import { makeTempDir, removeTempDir } from '../support/temp-dir.ts';
import { buildOurs, type OurBuilder } from './build-ours.ts';
import { buildReference, type ReferenceBuilder } from './build-reference.ts';
import type { DifferentialCase } from './differential-case.ts';
import { importBase } from './import-base.ts';
import { judgeCase, type Verdict } from './judge-case.ts';
import { readCases } from './read-case.ts';
import { REASONS } from './reasons.ts';
import { runLimited } from './run-limited.ts';
import { serveFiles } from './serve-files.ts';
import { createTally } from './tally.ts';
import { writeCase } from './write-context.ts';

const skip = lacksPrograms('differential corpus', [...BUILDAH_PROGRAMS, 'busybox', 'flock', 'bzip2', 'xz', 'zstd']);
/** Each builder keeps a core busy. */
const AT_ONCE = 2;
const only = process.env.ZLAYER_CASES?.split(',');
const CASES = readCases().filter(
  ({ id, theme, rootOnly }) => (only?.some((each) => [id, theme].includes(each)) ?? true) && (IS_ROOT || !rootOnly),
);

describe.skipIf(skip)(`the corpus ${IS_ROOT ? 'as root' : 'as an ordinary user'}`, () => {
  const root = makeTempDir('differential');
  const tally = createTally();
  const verdicts = new Map<string, Promise<Verdict>>();

  beforeAll(async () => {
    const base = await ensureBase('busybox');
    const ours: OurBuilder = { dataDir: join(root, 'store'), listings: join(root, 'listings') };
    await importBase(ours.dataDir, base);
    const { stdout: version } = await runOk(['buildah', '--version']);
    const theirs: ReferenceBuilder = {
      listings: ours.listings,
      outputs: join(root, 'theirs'),
      buildah: onDemand(async () => {
        const buildah = createBuildah(join(root, 'buildah'));
        await buildah.loadBase(base);
        return buildah;
      }),
      version: `${version} ${readLayout(base.layout).manifestDigest}`,
    };
    const running = runLimited(CASES, AT_ONCE, (each) => runCase(each, { ours, theirs, root }));
    for (const [index, { id }] of CASES.entries()) {
      // A test asks for it later; until then a failure must not count as unhandled.
      running[index]!.catch(() => undefined);
      verdicts.set(id, running[index]!);
    }
  }, 400_000);
  afterAll(async () => {
    process.stdout.write(tally.format());
    await removeTempDir(root);
  }, 120_000);

  for (const { id, theme, about } of CASES) {
    it(`${id}: ${about}`, { timeout: 300_000 }, async () => {
      let result: 'passed' | 'failed' | 'known' = 'failed';
      try {
        const { problems, known } = await verdicts.get(id)!;
        if (problems.length > 0) throw new Error(problems.join('\n'));
        result = known ? 'known' : 'passed';
      } finally {
        tally.count(theme, result);
      }
    });
  }
});

describe('the corpus as data', () => {
  it.skipIf(only !== undefined)('has at least 300 cases', () => {
    expect(CASES.length).toBeGreaterThanOrEqual(300);
  });

  it.skipIf(only !== undefined)('gives every reason at least once, and no other', () => {
    const used = readCases().flatMap(({ allow, reference }) => [
      ...allow.map(({ reason }) => reason),
      ...('reason' in reference ? [reference.reason] : []),
    ]);
    expect([...new Set(used)].sort()).toEqual(Object.keys(REASONS).sort());
  });

  it('says of each case what it shows', () => {
    expect(CASES.filter(({ about }) => !/\S.*\.$/.test(about)).map(({ id }) => id)).toEqual([]);
  });
});

interface Builders {
  readonly ours: OurBuilder;
  readonly theirs: ReferenceBuilder;
  readonly root: string;
}

async function runCase(each: DifferentialCase, { ours, theirs, root }: Builders): Promise<Verdict> {
  const prepared = await writeCase(each, join(root, 'cases'));
  const { serve } = each.options;
  const server = serve === undefined ? undefined : await serveFiles(join(prepared.context, serve));
  try {
    const mine = await buildOurs(ours, prepared, server?.address);
    const isAsked = each.reference.kind !== 'none';
    return await judgeCase(each, mine, isAsked ? await buildReference(theirs, prepared, server?.address) : undefined);
  } finally {
    await server?.close();
  }
}

function onDemand(create: () => Promise<Buildah>): () => Promise<Buildah> {
  let made: Promise<Buildah> | undefined;
  return () => (made ??= create());
}
