import type { ImageSummary } from '../../backends/index.ts';
import { familiarReference, formatPlatform, parseReference } from '../../core/index.ts';
import { type ImageDocuments, readImage } from '../../oci/index.ts';
import type { Store, StoredImage } from '../../store/index.ts';
import { defineCommand } from '../command.ts';
import { choosePlatform } from '../images/choose-platform.ts';
import { layersSize } from '../images/layers-size.ts';
import { withImages } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, FORMAT_OPTION } from '../options/shared-options.ts';
import { splitPair, usage } from '../options/values.ts';
import { formatJson, formatTable } from '../report/format-table.ts';
import { formatAge, formatSize } from '../terminal/units.ts';

/** One line of the list; also an entry of `--format json`. `null`: not known, because a blob is missing. */
interface ImageRow {
  readonly reference: string | null;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  readonly id: string | null;
  readonly platform: string | null;
  readonly created: string | null;
  readonly sizeBytes: number | null;
}

const NONE = '<none>';
const SHORT_ID = 12;

/** `zlayer images` */
export const imagesCommand = defineCommand({
  name: 'images',
  summary: 'List the images in the store',
  positionals: { usage: '[REPOSITORY[:TAG]]', min: 0, max: 1, complete: 'image' },
  options: {
    digests: { kind: 'boolean', help: "Show the manifests' digests" },
    filter: {
      kind: 'list',
      short: 'f',
      placeholder: 'FILTER',
      help: 'Only what matches: dangling=true|false, reference=PATTERN',
    },
    'no-trunc': { kind: 'boolean', help: 'Show whole ids' },
    quiet: { kind: 'boolean', short: 'q', help: 'Show ids alone' },
    all: { kind: 'boolean', short: 'a', help: "Accepted as docker's; every image is listed anyway" },
    ...FORMAT_OPTION,
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'All images', line: 'zlayer images' },
    { text: 'One repository', line: 'zlayer images app' },
    { text: 'The ids of images without a name', line: 'zlayer images -q --filter dangling=true' },
    { text: 'For a program', line: 'zlayer images --format json' },
  ],
  run: async (context, { values, positionals }) => {
    const { stdout, now } = context;
    const matches = matcherOf(values.filter, positionals[0]);
    const rows = await withImages(context, values, {
      inStore: rowsOfStore,
      inBackend: async (backend, inner) => (await backend.listImages(inner)).flatMap(rowsOfSummary),
    });
    const shown = rows.filter(matches).toSorted((a, b) => (b.created ?? '').localeCompare(a.created ?? ''));
    const idOf = (row: ImageRow): string => (row.id === null ? NONE : values['no-trunc'] ? row.id : shortId(row.id));
    if (values.quiet) stdout.write([...new Set(shown.map(idOf))].map((id) => `${id}\n`).join(''));
    else if (values.format === 'json') stdout.write(formatJson(shown));
    else stdout.write(toTable(shown, { idOf, digests: values.digests, nowMs: now() }));
    return undefined;
  },
});

/** The twelve digits that docker shows of an id. */
function shortId(id: string): string {
  return id.slice(id.indexOf(':') + 1).slice(0, SHORT_ID);
}

async function rowsOfStore(store: Store): Promise<readonly ImageRow[]> {
  const rows: ImageRow[] = [];
  for (const image of await store.images.list()) rows.push(await toRow(store, image));
  return rows;
}

/** A row for every name. */
function rowsOfSummary({ references, ...image }: ImageSummary): readonly ImageRow[] {
  const names: readonly (string | undefined)[] = references.length === 0 ? [undefined] : references;
  return names.map((reference) => ({
    reference: reference ?? null,
    ...splitName(reference),
    digest: image.digest,
    id: image.configDigest ?? null,
    platform: image.platforms.map(formatPlatform).join(', ') || null,
    created: image.createdMs === undefined ? null : new Date(image.createdMs).toISOString(),
    sizeBytes: image.sizeBytes,
  }));
}

async function toRow(store: Store, image: StoredImage): Promise<ImageRow> {
  const details = await readImage(store.blobs, image.descriptor, choosePlatform(undefined)).catch(() => undefined);
  const { repository, tag } = splitName(image.reference);
  return { reference: image.reference ?? null, repository, tag, digest: image.descriptor.digest, ...factsOf(details) };
}

function factsOf(details: ImageDocuments | undefined): Pick<ImageRow, 'id' | 'platform' | 'created' | 'sizeBytes'> {
  if (details === undefined) return { id: null, platform: null, created: null, sizeBytes: null };
  const { manifest, config } = details;
  return {
    id: manifest.config.digest,
    platform: [config.os, config.architecture, config.variant].filter((part) => part).join('/'),
    created: config.created ?? null,
    sizeBytes: layersSize(manifest),
  };
}

function splitName(reference: string | undefined): { readonly repository: string; readonly tag: string } {
  if (reference === undefined) return { repository: NONE, tag: NONE };
  const { registry, repository, tag } = parseReference(reference);
  return { repository: familiarReference({ registry, repository }), tag: tag ?? NONE };
}

function toTable(
  rows: readonly ImageRow[],
  {
    idOf,
    digests,
    nowMs,
  }: { readonly idOf: (row: ImageRow) => string; readonly digests: boolean; readonly nowMs: number },
): string {
  const headings = ['REPOSITORY', 'TAG', ...(digests ? ['DIGEST'] : []), 'IMAGE ID', 'CREATED', 'SIZE'];
  return formatTable(
    headings,
    rows.map((row) => [
      row.repository,
      row.tag,
      ...(digests ? [row.digest] : []),
      idOf(row),
      createdAge(row.created, nowMs),
      row.sizeBytes === null ? 'incomplete' : formatSize(row.sizeBytes),
    ]),
  );
}

function createdAge(created: string | null, nowMs: number): string {
  const createdMs = Date.parse(created ?? '');
  return Number.isNaN(createdMs) ? 'N/A' : formatAge(nowMs - createdMs);
}

function matcherOf(filters: readonly string[], name: string | undefined): (row: ImageRow) => boolean {
  const tests = filters.map((text) => {
    const { name: key, value = '' } = splitPair(text);
    if (key === 'dangling' && (value === 'true' || value === 'false')) {
      return (row: ImageRow) => (row.reference === null) === (value === 'true');
    }
    if (key === 'reference' && value !== '') return referenceTest(value);
    throw usage(`--filter cannot be "${text}".`, 'It is dangling=true, dangling=false or reference=PATTERN.');
  });
  if (name !== undefined) tests.push(referenceTest(name));
  return (row) => tests.every((test) => test(row));
}

/** A pattern for `repository` or `repository:tag`, where `*` does not cross a slash. */
function referenceTest(pattern: string): (row: ImageRow) => boolean {
  const familiar = pattern.replace(/^docker\.io\/(library\/)?/, '');
  const hasTag = familiar.lastIndexOf(':') > familiar.lastIndexOf('/');
  const source = familiar
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  const regex = new RegExp(`^${source}$`);
  return (row) => row.reference !== null && regex.test(hasTag ? `${row.repository}:${row.tag}` : row.repository);
}
