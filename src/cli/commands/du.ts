import type { UsageItem } from '../../store/index.ts';
import { defineCommand } from '../command.ts';
import { requireStore } from '../images/with-images.ts';
import { BACKEND_OPTION, DATA_DIR_OPTION, FORMAT_OPTION } from '../options/shared-options.ts';
import { formatJson, formatTable } from '../report/format-table.ts';
import { formatAge, formatSize } from '../terminal/units.ts';

/** `zlayer du` */
export const duCommand = defineCommand({
  name: 'du',
  summary: 'Show what the store holds and how large it is',
  positionals: { usage: '', min: 0, max: 0 },
  options: {
    verbose: { kind: 'boolean', short: 'v', help: 'One line for every entry, the largest first' },
    ...FORMAT_OPTION,
    ...BACKEND_OPTION,
    ...DATA_DIR_OPTION,
  },
  examples: [
    { text: 'Sums by kind', line: 'zlayer du' },
    { text: 'The largest entries', line: 'zlayer du -v | head' },
  ],
  run: async (context, { values }) => {
    const { services, stdout, now } = context;
    await requireStore(context, values.backend, 'zlayer du');
    const store = await services.openStore(values['data-dir']);
    const items = (await store.usage()).toSorted((a, b) => b.sizeBytes - a.sizeBytes);
    if (values.format === 'json') stdout.write(formatJson({ root: store.root, ...sumOf(items), items }));
    else stdout.write(values.verbose ? itemTable(items, now()) : kindTable(items));
    return undefined;
  },
});

function sumOf(items: readonly UsageItem[]): { readonly sizeBytes: number; readonly reclaimableBytes: number } {
  const sizeBytes = items.reduce((sum, item) => sum + item.sizeBytes, 0);
  const reclaimableBytes = items.reduce((sum, item) => sum + (item.inUse ? 0 : item.sizeBytes), 0);
  return { sizeBytes, reclaimableBytes };
}

function kindTable(items: readonly UsageItem[]): string {
  const kinds = [...new Set(items.map(({ kind }) => kind))];
  const row = (name: string, some: readonly UsageItem[]): readonly string[] => {
    const { sizeBytes, reclaimableBytes } = sumOf(some);
    const share = sizeBytes === 0 ? '' : ` (${Math.round((reclaimableBytes / sizeBytes) * 100)}%)`;
    return [
      name,
      String(some.length),
      String(some.filter(({ inUse }) => inUse).length),
      formatSize(sizeBytes),
      `${formatSize(reclaimableBytes)}${share}`,
    ];
  };
  const rows = kinds.map((kind) =>
    row(
      kind,
      items.filter((item) => item.kind === kind),
    ),
  );
  return formatTable(['TYPE', 'TOTAL', 'IN USE', 'SIZE', 'RECLAIMABLE'], [...rows, row('total', items)]);
}

function itemTable(items: readonly UsageItem[], nowMs: number): string {
  const rows = items.map(({ kind, id, sizeBytes, inUse, lastUsedMs }) => [
    id.replace(/^sha256:/, '').slice(0, 24),
    kind,
    formatSize(sizeBytes),
    inUse ? 'yes' : 'no',
    formatAge(nowMs - lastUsedMs),
  ]);
  return formatTable(['ID', 'TYPE', 'SIZE', 'IN USE', 'LAST USED'], rows);
}
