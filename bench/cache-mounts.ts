import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureBase } from '../test/support/base-images.ts';
import type { Registry } from '../test/support/registry.ts';
import { removeTempDir } from '../test/support/temp-dir.ts';
import { createZlayer, type Zlayer } from '../test/support/zlayer.ts';
import { makeText } from './content.ts';
import { type Measurement, measure } from './measure.ts';
import { WORKLOADS } from './workloads.ts';

/** A build that moves a cache mount, beside the same build that does not. */
export interface MountsResult {
  readonly phase: string;
  /** Of the whole command; a step that does nothing is part of it. */
  readonly measured: Measurement;
  /** Bytes that the registry got. */
  readonly sentBytes: number;
}

const BASE = 'busybox';
const ID = 'npm';

/** 50,000 files in the shape of node_modules in a cache mount: left in a registry, left again after changes, and brought back. */
export async function measureCacheMounts(
  root: string,
  registry: Registry,
  scale: number,
): Promise<readonly MountsResult[]> {
  const [one, two] = [createZlayer(join(root, 'mounts-one')), createZlayer(join(root, 'mounts-two'))];
  const place = `type=registry,ref=${registry.host}/mounts:main`;
  const results: MountsResult[] = [];
  const base = await ensureBase(BASE);
  let runs = 0;
  const build = async (phase: string, zlayer: Zlayer, options: readonly string[] = []): Promise<void> => {
    runs += 1;
    const context = join(root, 'mounts-context');
    const step = `RUN --mount=type=cache,target=/c,id=${ID} true ${runs}`;
    mkdirSync(context, { recursive: true });
    writeFileSync(join(context, 'Dockerfile'), `FROM ${base.reference}\n${step}\n`);
    const before = storedBytes(root);
    const measured = await measure([...zlayer.argv, 'build', '--progress', 'plain', ...options, context], zlayer.env);
    results.push({ phase, measured, sentBytes: storedBytes(root) - before });
  };
  try {
    for (const zlayer of [one, two]) {
      mkdirSync(zlayer.dataDir, { recursive: true });
      await zlayer.loadBase(base);
    }
    await build('first step', one);
    const files = filesOf(one);
    fill(files, scale);
    await build('a step alone', one);
    await build('left for the first time', one, ['--cache-mounts-to', place]);
    await build('left again as it was', one, ['--cache-mounts-to', place]);
    change(files, Math.round(500 * scale), scale);
    await build('left with 1 % of the files changed, scattered', one, ['--cache-mounts-to', place]);
    change(files, 10, scale);
    await build('left with 10 files changed', one, ['--cache-mounts-to', place]);
    await build('brought to another machine', two, ['--cache-mounts-from', place]);
    return results.slice(1);
  } finally {
    await removeTempDir(one.dataDir);
    await removeTempDir(two.dataDir);
  }
}

/** Those figures as lines of text. */
export function formatMounts(results: readonly MountsResult[]): string {
  const lines = results.map(({ phase, measured, sentBytes }) => {
    const figures = [
      `${measured.wallSeconds.toFixed(2)} s`,
      `CPU ${measured.cpuSeconds.toFixed(2)} s`,
      `${(measured.peakBytes / 1e6).toFixed(0)} MB memory`,
      `${(sentBytes / 1e6).toFixed(2)} MB sent`,
    ];
    return `M1 ${phase.padEnd(46)} ${figures.map((figure) => figure.padStart(14)).join('')}`;
  });
  return lines.join('\n');
}

/** Where the mount's files lie. Only one is there, and the benchmark runs as root. */
function filesOf({ dataDir }: Zlayer): string {
  const area = join(dataDir, 'zlayer/areas/cache-mounts');
  return join(area, readdirSync(area)[0] ?? '', 'data/files');
}

function fill(files: string, scale: number): void {
  const workload = WORKLOADS.find(({ id }) => id === 'W6');
  workload?.writeContext((path, bytes) => {
    const file = join(files, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }, scale);
}

let changes = 0;

/** Writes files anew in as many packages, or in all of them in turn. */
function change(files: string, count: number, scale: number): void {
  const packages = Math.round(1000 * scale);
  for (let at = 0; at < count; at++) {
    changes += 1;
    const pkg = 1 + ((at * 7919) % packages);
    const scope = pkg % 5 === 0 ? `@scope${pkg % 20}/` : '';
    writeFileSync(join(files, `node_modules/${scope}pkg-${pkg}/lib/m2.js`), makeText(changes, 4000));
  }
}

/** What the registry holds. */
function storedBytes(root: string): number {
  const walk = (directory: string): number =>
    readdirSync(directory, { withFileTypes: true }).reduce((total, entry) => {
      const path = join(directory, entry.name);
      return total + (entry.isDirectory() ? walk(path) : statSync(path).size);
    }, 0);
  return walk(join(root, 'registry'));
}
