import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Buildah } from '../support/buildah.ts';
import { fixtureCache, writableCache } from '../support/fixture-cache.ts';
import { type FileNode, flattenLayers } from '../support/flatten.ts';
import { withoutOverlayMarks } from '../support/reference-images.ts';
import { locate } from './build-ours.ts';
import type { BuiltImage, Outcome } from './outcome.ts';
import { readDirImage } from './read-dir-image.ts';
import type { PreparedCase } from './write-context.ts';

export interface ReferenceBuilder {
  readonly buildah: () => Promise<Buildah>;
  /** Changes with buildah and the base image. */
  readonly version: string;
  readonly outputs: string;
  readonly listings: string;
}

/** The outcome on disk: a tree is a list of pairs there. */
type Stored =
  | { readonly kind: 'failure'; readonly message: string }
  | { readonly kind: 'image'; readonly tree: readonly [string, FileNode][]; readonly rest: Omit<BuiltImage, 'tree'> };

/**
 * Builds a case with buildah, or takes what it made of the very same case before. A cold cache costs a fifth of a second
 * for a case, and as much for each RUN.
 */
export async function buildReference(
  builder: ReferenceBuilder,
  each: PreparedCase,
  address?: string,
): Promise<Outcome<BuiltImage>> {
  const name = `${each.id.replaceAll('/', '-')}-${keyOf(builder, each)}.json`;
  for (const cache of [fixtureCache(), writableCache()]) {
    const path = join(cache, 'differential', name);
    if (existsSync(path)) return fromStored(JSON.parse(readFileSync(path, 'utf8')) as Stored);
  }
  const outcome = await runReference(builder, each, address);
  const folder = join(writableCache(), 'differential');
  mkdirSync(folder, { recursive: true });
  const part = join(folder, `${name}.${process.pid}`);
  writeFileSync(part, JSON.stringify(toStored(outcome)));
  renameSync(part, join(folder, name));
  return outcome;
}

async function runReference(
  builder: ReferenceBuilder,
  each: PreparedCase,
  address: string | undefined,
): Promise<Outcome<BuiltImage>> {
  const buildah = await builder.buildah();
  const startedAt = Math.floor(Date.now() / 1000);
  const build = (args: readonly string[]) =>
    buildah.tryRun(['build', ...STEADY, ...args, each.context], { timeoutMs: 60_000, env: SPARING });
  for (const [tag, path] of Object.entries(each.beforeFiles)) {
    const { exitCode, stderr } = await build(['-t', tag, '-f', path]);
    if (exitCode !== 0) return { kind: 'failure', message: stderr };
  }
  const output = join(builder.outputs, each.id.replaceAll('/', '-'));
  mkdirSync(builder.outputs, { recursive: true });
  const { exitCode, stderr } = await build([
    '-t',
    `dir:${output}`,
    ...toFlags(each, address),
    '-f',
    each.referenceFile,
  ]);
  if (exitCode !== 0) return { kind: 'failure', message: stderr };
  const { config, layers } = readDirImage(output);
  const tree = withoutOverlayMarks(await flattenLayers(layers, builder.listings));
  rmSync(output, { recursive: true });
  return { kind: 'image', image: { tree, config, startedAt } };
}

/** buildah starts itself anew several times for each step: a quarter less time with one thread that never collects. */
const SPARING = { GOMAXPROCS: '1', GOGC: 'off' };

/** One layer for all steps: what is compared is the file system at the end. Docker's format keeps every field of the config. */
const STEADY = [
  ...['--isolation', 'chroot', '--format', 'docker', '--identity-label=false'],
  ...['--layers=false', '--pull-never', '--quiet'],
];

function toFlags(each: PreparedCase, address: string | undefined): readonly string[] {
  const { target, platform, buildArgs, labels, buildContexts, addHosts } = each.options;
  const pairs = (flag: string, values: Readonly<Record<string, string>>, sign = '='): readonly string[] =>
    Object.entries(values).flatMap(([key, value]) => [flag, `${key}${sign}${value}`]);
  return [
    ...(target === undefined ? [] : ['--target', target]),
    ...(platform === undefined ? [] : ['--platform', platform]),
    ...pairs('--build-arg', address === undefined ? buildArgs : { ...buildArgs, SERVER: address }),
    ...pairs('--label', labels),
    ...pairs('--add-host', addHosts, ':'),
    ...Object.entries(buildContexts).flatMap(([name, at]) => [
      '--build-context',
      `${name}=${locate(each.context, at)}`,
    ]),
    ...Object.entries(each.secretFiles).flatMap(([id, path]) => ['--secret', `id=${id},src=${path}`]),
  ];
}

function keyOf({ version }: ReferenceBuilder, each: PreparedCase): string {
  const { options, files, before, reference } = each;
  const text = JSON.stringify([
    version,
    STEADY,
    options,
    files,
    before,
    reference.kind === 'rewritten' ? reference : '',
  ]);
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function toStored(outcome: Outcome<BuiltImage>): Stored {
  if (outcome.kind === 'failure') return outcome;
  const { tree, ...rest } = outcome.image;
  return { kind: 'image', tree: [...tree], rest };
}

function fromStored(stored: Stored): Outcome<BuiltImage> {
  if (stored.kind === 'failure') return stored;
  return { kind: 'image', image: { ...stored.rest, tree: new Map(stored.tree) } };
}
