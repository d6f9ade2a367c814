import { type Descriptor, type ImageConfig, readImage } from '../../oci/index.ts';
import { defineCommand } from '../command.ts';
import { choosePlatform } from '../images/choose-platform.ts';
import { onlyInStore, withImages } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, FORMAT_OPTION } from '../options/shared-options.ts';
import { formatJson, formatTable } from '../report/format-table.ts';
import { sanitizeLine } from '../terminal/sanitize.ts';
import { clipText } from '../terminal/text-width.ts';
import { formatAge, formatSize } from '../terminal/units.ts';

/** One entry, newest first. Of an entry without a layer, `digest` is null. */
interface HistoryRow {
  readonly created: string | null;
  readonly createdBy: string;
  readonly comment: string;
  readonly sizeBytes: number;
  readonly emptyLayer: boolean;
  readonly digest: string | null;
}

type Layer = Pick<Descriptor, 'digest' | 'size'>;

const CREATED_BY_COLUMNS = 60;

/** `zlayer history` */
export const historyCommand = defineCommand({
  name: 'history',
  summary: 'Show the steps that made an image',
  positionals: { usage: 'IMAGE', min: 1, max: 1, complete: 'image' },
  options: {
    'no-trunc': { kind: 'boolean', help: 'Show whole commands and digests' },
    quiet: { kind: 'boolean', short: 'q', help: 'Show layer digests alone' },
    platform: {
      kind: 'text',
      placeholder: 'OS/ARCH',
      help: 'Which image of an index',
      defaultText: 'that of this machine',
    },
    ...FORMAT_OPTION,
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'Which step made the image large?', line: 'zlayer history app:1.0' },
    { text: 'Whole commands', line: 'zlayer history --no-trunc app:1.0' },
  ],
  run: async (context, { values, positionals: [word] }) => {
    const { stdout, now } = context;
    const rows = await withImages(context, values, {
      inStore: async (store) => {
        const { descriptor } = await store.images.find(word!);
        const { config, manifest } = await readImage(store.blobs, descriptor, choosePlatform(values.platform));
        return toRows(config, manifest.layers);
      },
      inBackend: async (backend, inner) => {
        if (values.platform !== undefined) throw onlyInStore('--platform', backend);
        const { config, layers } = await backend.inspectImage(word!, inner);
        if (config === undefined) throw onlyInStore('The history of an index', backend);
        return toRows(
          config,
          layers.map(({ digest, sizeBytes }) => ({ digest, size: sizeBytes })),
        );
      },
    });
    const digestText = ({ digest }: HistoryRow): string =>
      digest === null ? '-' : values['no-trunc'] ? digest : digest.slice('sha256:'.length).slice(0, 12);
    const commandText = ({ createdBy }: HistoryRow): string => {
      const line = sanitizeLine(createdBy.replace(/\s+/g, ' '));
      return values['no-trunc'] ? line : clipText(line, CREATED_BY_COLUMNS);
    };
    if (values.quiet)
      stdout.write(rows.flatMap((row) => (row.digest === null ? [] : [`${digestText(row)}\n`])).join(''));
    else if (values.format === 'json') stdout.write(formatJson(rows));
    else {
      const cells = rows.map((row) => [
        digestText(row),
        ageOf(row.created, now()),
        commandText(row),
        formatSize(row.sizeBytes),
        row.comment,
      ]);
      stdout.write(formatTable(['LAYER', 'CREATED', 'CREATED BY', 'SIZE', 'COMMENT'], cells));
    }
    return undefined;
  },
});

function ageOf(created: string | null, nowMs: number): string {
  const createdMs = Date.parse(created ?? '');
  return Number.isNaN(createdMs) ? 'N/A' : formatAge(nowMs - createdMs);
}

/** Pairs entries with layers; layers beyond the history (some tools write none) come as entries of their own. */
function toRows(config: ImageConfig, all: readonly Layer[]): readonly HistoryRow[] {
  const layers = [...all];
  const rows: HistoryRow[] = (config.history ?? []).map((entry) => {
    const layer = entry.empty_layer === true ? undefined : layers.shift();
    return {
      created: entry.created ?? null,
      createdBy: entry.created_by ?? '',
      comment: entry.comment ?? '',
      sizeBytes: layer?.size ?? 0,
      emptyLayer: entry.empty_layer === true,
      digest: layer?.digest ?? null,
    };
  });
  const unnamed = layers.map(({ digest, size }) => ({
    created: null,
    createdBy: '',
    comment: '',
    sizeBytes: size,
    emptyLayer: false,
    digest,
  }));
  return [...rows, ...unnamed].reverse();
}
